# SPDX-License-Identifier: Apache-2.0
"""Reads the events or the response of a call and makes one `Ending` of them.

Recorders are pure: they use no OpenTelemetry, no lock, no thread. Start with `recorder`, then
`conversation`.
"""
