# SPDX-License-Identifier: Apache-2.0
"""Reads the events or the response of a call and makes one `Ending` of them.

Recorders use no OpenTelemetry, no lock and no thread. Start with `recorder`, then `conversation`.
"""
