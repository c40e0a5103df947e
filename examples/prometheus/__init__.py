# SPDX-License-Identifier: Apache-2.0
"""Metrics of conversations in Prometheus: what to run, and what to ask, is in README.md."""

from __future__ import annotations
