# SPDX-License-Identifier: Apache-2.0
"""Makes spans, metrics and log events with OpenTelemetry, and ends every span once.

It uses neither mistralai nor wrapt. Start with `client_span`, then `plans` and `ends_once`.
"""
