# SPDX-License-Identifier: Apache-2.0
"""Reads facts out of the SDK's objects: requests, settings, usage, errors, times, entries.

It has pure functions and plain data, and imports neither OpenTelemetry nor mistralai. Start with
`requests`.
"""
