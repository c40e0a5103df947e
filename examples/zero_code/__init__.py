# SPDX-License-Identifier: Apache-2.0
"""Programs that know nothing of OpenTelemetry, and how they are seen: README.md."""
