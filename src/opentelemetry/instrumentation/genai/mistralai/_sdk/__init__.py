# SPDX-License-Identifier: Apache-2.0
"""Everything that touches mistralai and wrapt: which methods, what is around a call, streams.

Start with `table`, then `calls` and `methods`.
"""
