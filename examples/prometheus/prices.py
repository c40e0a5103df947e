# SPDX-License-Identifier: Apache-2.0
"""Writes rules that turn token counters into dollars: ``python -m examples.prometheus.prices``.

The prices are those of Mistral's API in the package ``genai-prices``, which needs Python
3.11. What is instrumented needs neither that package nor this script: Prometheus multiplies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

from genai_prices import data_snapshot
from genai_prices.types import (
    ClauseEquals,
    ClauseOr,
    ClauseStartsWith,
    MatchLogic,
    ModelInfo,
    TieredPrices,
)

RULES = Path(__file__).with_name("prices.yml")
PROVIDER = "mistral"
PRICE = "mistral_ai:usd_per_million_tokens"
TOKENS = "mistral_ai:billed_tokens:total"
COST = "mistral_ai:cost_usd:total"
UNPRICED = "mistral_ai:unpriced_tokens:total"

_USAGE = "gen_ai_client_inference_usage"
_HEAD = """\
# Made by `python -m examples.prometheus.prices`: change that, not this.
# The prices are those of genai-prices {package} for Mistral's API, as they are on {date}.
groups:
  # One group, so that the money of a moment is counted after its prices.
  - name: mistral money
    rules:
"""
_TAIL = f"""\
      # No connector has a price of its own there: its tokens are billed as input.
      - record: {PRICE}
        labels: {{kind: connectors}}
        expr: {PRICE}{{kind="input"}}

      # The input includes what came from the cache. Reasoning is part of the output.
      - record: {TOKENS}
        labels: {{kind: input}}
        expr: >-
          {_USAGE}_input_tokens_total
          - ({_USAGE}_cache_read_input_tokens_total or 0 * {_USAGE}_input_tokens_total)
      - record: {TOKENS}
        labels: {{kind: cached}}
        expr: {_USAGE}_cache_read_input_tokens_total
      - record: {TOKENS}
        labels: {{kind: output}}
        expr: {_USAGE}_output_tokens_total
      - record: {TOKENS}
        labels: {{kind: connectors}}
        expr: mistral_ai_client_connector_tokens_total
      - record: {COST}
        expr: {TOKENS} * on (gen_ai_response_model, kind) group_left () {PRICE} / 1e6
      # Not 0 dollars: nobody knows how many.
      - record: {UNPRICED}
        expr: ({TOKENS} unless on (gen_ai_response_model, kind) {PRICE}) > 0
"""


@dataclass(frozen=True)
class Price:
    """What the tokens of a model cost.

    Attributes:
        model: its id in ``genai-prices``.
        names: a regular expression, anchored by Prometheus, of the names it answers under.
        input: dollars for a million input tokens that did not come from the cache.
        cached: for those that did; where the package has no such price, that of the input.
        output: for a million output tokens, reasoning among them.
    """

    model: str
    names: str
    input: Decimal
    cached: Decimal
    output: Decimal


def prices(at: datetime) -> list[Price]:
    """The prices of all models that are paid by tokens.

    Args:
        at: when; prices change.

    Raises:
        ValueError: the package has a price, or a way to name a model, that no rule here can tell.
    """
    [provider] = [each for each in data_snapshot.get_snapshot().providers if each.id == PROVIDER]
    return [price for model in provider.models if (price := _price(model, at))]


def rules(at: datetime) -> str:
    """The rules, as YAML.

    Args:
        at: when the prices are to be those of.
    """
    told = "".join(line for price in prices(at) for line in _told(price))
    package = version("genai-prices")
    return _HEAD.format(package=package, date=at.date().isoformat()) + told + _TAIL


def _price(model: ModelInfo, at: datetime) -> Price | None:
    found = model.get_prices(at)
    sent = _amount(found.input_mtok)
    if sent is None:
        # Paid by the page or by the hour, or free elsewhere.
        return None
    cached, answered = _amount(found.cache_read_mtok), _amount(found.output_mtok)
    return Price(
        model.id,
        "|".join(_names(model.match)),
        sent,
        sent if cached is None else cached,
        # An embedding answers with no tokens.
        Decimal(0) if answered is None else answered,
    )


def _amount(price: Decimal | TieredPrices | None) -> Decimal | None:
    if isinstance(price, TieredPrices):
        raise ValueError(f"it depends on the number of tokens: {price}")  # noqa: TRY004 -- a value's
    return price


def _names(match: MatchLogic) -> Iterator[str]:
    if isinstance(match, ClauseOr):
        for clause in match.or_:
            yield from _names(clause)
    elif isinstance(match, ClauseEquals):
        yield _quoted(match.equals)
    elif isinstance(match, ClauseStartsWith):
        yield f"{_quoted(match.starts_with)}.*"
    else:
        raise ValueError(f"no regular expression for {match}")  # noqa: TRY004 -- a value's


def _quoted(name: str) -> str:
    # Python escapes the hyphen, too, which the syntax of Prometheus does not know.
    return re.sub(r"[.+*?()|\[\]{}^$\\]", r"[\g<0>]", name)


def _told(price: Price) -> Iterator[str]:
    used = f'{_USAGE}_input_tokens_total{{gen_ai_response_model=~"{price.names}"}}'
    for kind in ("input", "cached", "output"):
        yield f"""\
      - record: {PRICE}
        labels: {{kind: {kind}, price_of: "{price.model}"}}
        expr: {getattr(price, kind)} * group by (gen_ai_response_model) ({used})
"""


def main() -> None:
    """Writes them, with today's prices."""
    RULES.write_text(rules(datetime.now(timezone.utc)))


if __name__ == "__main__":
    main()
