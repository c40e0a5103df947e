# SPDX-License-Identifier: Apache-2.0
"""A dashboard for Grafana: what it shows, and how to import it, is in README.md."""

from __future__ import annotations
