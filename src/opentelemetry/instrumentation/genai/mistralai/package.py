# SPDX-License-Identifier: Apache-2.0
"""What this package instruments; the extra ``instruments`` in pyproject.toml says the same."""

from __future__ import annotations

_instruments = ("mistralai >= 1.8.0, < 4",)
