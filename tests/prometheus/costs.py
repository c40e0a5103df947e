# SPDX-License-Identifier: Apache-2.0
"""What the conversations of the example cost, as ``genai-prices`` says."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from genai_prices import Usage, calc_price

from examples.prometheus.conversations import LARGE, MEDIUM, SMALL
from examples.prometheus.prices import PROVIDER, RULES

if TYPE_CHECKING:
    from decimal import Decimal

# The conversations of the example: who answered, input, from the cache, output, connectors.
HELD = [
    (MEDIUM, 24, 0, 29, 0),
    (MEDIUM, 142, 0, 38, 1024),
    (SMALL, 24, 0, 29, 0),
    (MEDIUM, 14, 0, 9, 0),
    (LARGE, 2048, 1920, 120, 0),
    (SMALL, 18, 0, 6, 0),
    (SMALL, 32, 0, 8, 0),
    (MEDIUM, 90, 0, 20, 500),
]


def made() -> datetime:
    """When the file was."""
    found = re.search(r"as they are on ([\d-]+)", RULES.read_text())
    assert found is not None
    return datetime.fromisoformat(found[1]).replace(tzinfo=timezone.utc)


def cost(model: str, sent: int, cached: int, answered: int, connectors: int) -> Decimal:
    """Dollars, as the package says, of one conversation."""
    usage = Usage(input_tokens=sent + connectors, cache_read_tokens=cached, output_tokens=answered)
    at = made()
    return calc_price(usage, model, provider_id=PROVIDER, genai_request_timestamp=at).total_price


def held() -> dict[str, float]:
    """Dollars by model, each time that the conversations are held."""
    dollars: dict[str, float] = defaultdict(float)
    for model, *usage in HELD:
        dollars[model] += float(cost(model, *usage))
    return dollars
