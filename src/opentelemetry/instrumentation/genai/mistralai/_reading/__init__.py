# SPDX-License-Identifier: Apache-2.0
"""Reads facts out of the SDK's objects: requests, settings, usage, errors, times, entries.

Pure functions and plain data: nothing of OpenTelemetry, nothing of mistralai is imported. Start
with `requests`.
"""
