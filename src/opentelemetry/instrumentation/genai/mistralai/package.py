# SPDX-License-Identifier: Apache-2.0
"""Names the packages that this one instruments, as the extra ``instruments`` in pyproject.toml."""

from __future__ import annotations

_instruments = ("mistralai >= 1.8.0, < 4",)
