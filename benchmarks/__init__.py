# SPDX-License-Identifier: Apache-2.0
"""What the plugin costs, side by side with the bare SDK and with a hand-written floor."""

from __future__ import annotations
