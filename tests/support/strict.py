# SPDX-License-Identifier: Apache-2.0
"""The interpreter's options with which the tests start programs: each warning is an error."""

from __future__ import annotations

from typing import Final

# But for jsonpath's, which mistralai imports, on Python 3.12 and 3.13: as `filterwarnings` in
# pyproject.toml for the tests' own process.
STRICT: Final = ("-W", "error", "-W", "ignore:ast.:DeprecationWarning")
