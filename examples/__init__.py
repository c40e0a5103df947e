# SPDX-License-Identifier: Apache-2.0
"""Programs that show what the plugin does."""

from __future__ import annotations
