# SPDX-License-Identifier: Apache-2.0
"""What the rules say that something costs is what ``genai-prices`` says, for each model."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from genai_prices import data_snapshot
from genai_prices.types import ClauseEquals, ClauseOr, ClauseStartsWith

from examples.prometheus.conversations import FINE_TUNED
from examples.prometheus.prices import COST, PROVIDER, RULES, TOKENS, UNPRICED, rules
from tests.prometheus.asking import by, promtool
from tests.prometheus.costs import cost, held, made
from tests.prometheus.document import money_query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genai_prices.types import MatchLogic

    from tests.prometheus.scraped import Scraped


def names(match: MatchLogic) -> Iterator[str]:
    """Names that a model answers under."""
    if isinstance(match, ClauseOr):
        for clause in match.or_:
            yield from names(clause)
    elif isinstance(match, ClauseEquals):
        yield match.equals
    else:
        assert isinstance(match, ClauseStartsWith)
        yield f"{match.starts_with}-2612"


def known() -> dict[str, bool]:
    """All names that the package knows, and whether tokens are what they are paid by."""
    [provider] = [each for each in data_snapshot.get_snapshot().providers if each.id == PROVIDER]
    at = made()
    return {
        name: model.get_prices(at).input_mtok is not None
        for model in provider.models
        for name in names(model.match)
    }


def test_the_file_is_what_the_script_writes() -> None:
    assert rules(made()) == RULES.read_text(), "run python -m examples.prometheus.prices"


def test_what_was_held_costs_what_the_package_says(scraped: Scraped) -> None:
    found = scraped.prometheus.query(f"sum by (gen_ai_response_model) ({COST})")
    assert found == by("gen_ai_response_model", {model: 2 * it for model, it in held().items()})


def test_the_cost_of_a_day_is_that_of_the_second_time(scraped: Scraped) -> None:
    found = scraped.prometheus.query(money_query())
    # By how much `increase` extrapolates depends on when the rules were followed, and is the same
    # for all: their shares are exact.
    share = sum(found.values()) / sum(held().values())
    assert 1 < share < 1.8
    assert found == by("gen_ai_response_model", {model: share * it for model, it in held().items()})


def test_a_model_without_a_price_is_told_and_is_not_for_nothing(scraped: Scraped) -> None:
    ask = scraped.prometheus.query
    assert ask(f'{COST}{{gen_ai_response_model="{FINE_TUNED}"}}') == {}
    assert ask(f"sum by (gen_ai_response_model, kind) ({UNPRICED})") == {
        frozenset({("gen_ai_response_model", FINE_TUNED), ("kind", kind)}): 2 * tokens
        for kind, tokens in (("input", 14), ("output", 9))
    }
    # Nor is what nobody answered: it has no tokens.
    assert ask(f'{TOKENS}{{gen_ai_response_model=""}} > 0') == {}


def test_each_model_costs_what_the_package_says_to_the_cent(tmp_path: Path) -> None:
    series: list[dict[str, str]] = []
    dollars: list[dict[str, object]] = []
    unpriced: list[dict[str, object]] = []
    models = {**known(), FINE_TUNED: False}
    assert len(models) > 80
    for number, (name, priced) in enumerate(models.items()):
        # Millions, and of each model other ones, so that a price in another's place is seen.
        usage = 7_000_003 + number, 3_000_017, 5_000_011 + 13 * number, 2_000_029
        label = f'{{gen_ai_response_model="{name}"}}'
        for metric, tokens in zip(METRICS, usage, strict=True):
            series.append({"series": metric + label, "values": f"{tokens}"})
        if priced:
            cents = math.floor(100 * float(cost(name, *usage)) + 0.5)
            dollars.append({"labels": label, "value": cents / 100})
        else:
            tokens = usage[0] + usage[2] + usage[3]
            unpriced.append({"labels": label, "value": tokens})
    asked = {
        f"round(sum by (gen_ai_response_model) ({COST}), 0.01)": dollars,
        f"sum by (gen_ai_response_model) ({UNPRICED})": unpriced,
    }
    told = {
        "rule_files": [str(RULES)],
        "tests": [
            {
                "input_series": series,
                "promql_expr_test": [
                    {"expr": expr, "eval_time": "0m", "exp_samples": samples}
                    for expr, samples in asked.items()
                ],
            }
        ],
    }
    # JSON is YAML.
    (tmp_path / "prices.test.yml").write_text(json.dumps(told))
    assert "SUCCESS" in promtool("test", "rules", tmp_path / "prices.test.yml")


# In the order of a conversation's numbers.
METRICS = (
    "gen_ai_client_inference_usage_input_tokens_total",
    "gen_ai_client_inference_usage_cache_read_input_tokens_total",
    "gen_ai_client_inference_usage_output_tokens_total",
    "mistral_ai_client_connector_tokens_total",
)
