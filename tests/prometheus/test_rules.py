# SPDX-License-Identifier: Apache-2.0
"""Prometheus' own tool reads the rules, and sees each alert fire when it must and only then."""

from __future__ import annotations

import re
from pathlib import Path

from tests.prometheus.asking import promtool
from tests.prometheus.server import RULES

# Of the parts of a deployment.
PARTS = RULES[0].parents[1] / "deploy" / "prometheus" / "parts.yml"
TOLD = sorted(Path(__file__).parent.glob("*.test.yml"))


def test_the_rules_are_rules() -> None:
    assert "FAILED" not in promtool("check", "rules", *RULES, PARTS)


def test_each_alert_fires_when_it_must_and_only_then() -> None:
    rules = RULES[1].read_text() + PARTS.read_text()
    alerts = set(re.findall(r"- alert: (\w+)", rules))
    told = "".join(file.read_text() for file in TOLD)
    assert alerts == set(re.findall(r"alertname: (\w+)", told))
    assert promtool("test", "rules", *TOLD).count("SUCCESS") == len(TOLD) == 3
