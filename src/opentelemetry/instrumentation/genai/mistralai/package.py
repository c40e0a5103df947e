# SPDX-License-Identifier: Apache-2.0
"""Names the supported versions of mistralai; so does ``instruments`` in pyproject.toml."""

from __future__ import annotations

_instruments = ("mistralai >= 1.8.0, < 4",)
