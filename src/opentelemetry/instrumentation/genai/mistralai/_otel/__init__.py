# SPDX-License-Identifier: Apache-2.0
"""Everything that touches OpenTelemetry: spans, metrics, contexts, and that each span is ended.

Knows nothing of mistralai and wrapt. Start with `client_span`, then `plans` and `open_calls`.
"""
