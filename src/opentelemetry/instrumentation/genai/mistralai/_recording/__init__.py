# SPDX-License-Identifier: Apache-2.0
"""Understands what a call brings back: events or one response in, one `Ending` out.

Recorders are pure: no OpenTelemetry, no lock, no thread. Start with `recorder`, then
`conversation`.
"""
