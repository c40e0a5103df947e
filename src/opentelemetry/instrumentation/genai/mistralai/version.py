# SPDX-License-Identifier: Apache-2.0
"""Holds the version of this package, which is also that of its instrumentation scope."""

from __future__ import annotations

__version__ = "0.1.0"
