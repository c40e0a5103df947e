# SPDX-License-Identifier: Apache-2.0
"""A chat in the browser whose answers stream in: ``make chat``."""

from __future__ import annotations
