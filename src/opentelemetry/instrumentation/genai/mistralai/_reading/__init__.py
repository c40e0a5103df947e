# SPDX-License-Identifier: Apache-2.0
"""Reads facts out of the SDK's objects: requests, settings, errors, times, entries.

It imports neither OpenTelemetry nor mistralai. Start with `requests`.
"""
