# SPDX-License-Identifier: Apache-2.0
"""The document's queries, asked as they stand, answer with what the emulator sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.prometheus.asking import by
from tests.prometheus.document import queries

if TYPE_CHECKING:
    from tests.prometheus.scraped import Scraped

# What the scenarios report each time that the conversations are held: input, output, connectors.
MEDIUM = 24 + 29 + 142 + 38 + 1024 + 14 + 9 + 90 + 20 + 500
SMALL = 24 + 29 + 18 + 6 + 32 + 8
LARGE = 2048 + 120
FINE_TUNED = 14 + 9
TOKENS = {
    "mistral-medium-latest": MEDIUM,
    "mistral-small-latest": SMALL,
    "mistral-large-2512": LARGE,
    "ft:ministral-8b-2512:acme": FINE_TUNED,
    "": 0,
}
CALLS = {"web_search": 2, "code_interpreter": 1}


def test_no_query_is_missing_here() -> None:
    for mode in ("default", "latest"):
        assert [*queries(mode)] == [
            "Tokens since the programs started",
            "Tokens per minute",
            "Connector calls",
            "Time to first chunk",
            "Error rate",
            "Streams left early",
        ]


def test_totals_are_exact(scraped: Scraped) -> None:
    twice = {name: 2 * tokens for name, tokens in TOKENS.items()}
    found = scraped.ask("Tokens since the programs started")
    assert found == {
        frozenset({("gen_ai_response_model", name)} if name else ()): value
        for name, value in twice.items()
    }


def test_tokens_per_minute_are_those_of_the_second_time(scraped: Scraped) -> None:
    # An increase in five minutes, a fifth of it in one.
    share = scraped.extrapolation / 5
    assert scraped.ask("Tokens per minute") == by(
        "gen_ai_response_model", {name: tokens * share for name, tokens in TOKENS.items()}
    )


def test_connector_calls(scraped: Scraped) -> None:
    assert scraped.ask("Connector calls") == by(
        "mistral_ai_connector_name",
        {name: calls * scraped.extrapolation for name, calls in CALLS.items()},
    )


def test_one_call_of_eleven_fails(scraped: Scraped) -> None:
    assert scraped.ask("Error rate") == by("", {"": 1 / 11})


def test_one_stream_of_five_is_left(scraped: Scraped) -> None:
    assert scraped.ask("Streams left early") == by("", {"": 1 / 5})


def test_the_time_to_first_chunk_lies_where_the_slowest_lies(scraped: Scraped) -> None:
    """Of two or three streams the slowest is what the 95th percentile falls on."""
    found = scraped.ask("Time to first chunk")
    names = {"mistral-medium-latest", "mistral-small-latest"}
    assert {dict(labels)["gen_ai_response_model"] for labels in found} == names
    for labels, seconds in found.items():
        lower, upper = slowest(scraped, dict(labels)["gen_ai_response_model"])
        assert lower < seconds <= upper
        # The emulator waits 20 ms before the first words of both.
        assert seconds > 0.02


def slowest(scraped: Scraped, model: str) -> tuple[float, float]:
    """Above what the slowest stream of the second time took, and what none took longer than, s.

    The latter counts both times: a bucket that was empty at the first scrape is not extrapolated
    as its neighbours are, which moves the quantile up to where the first time's slowest was.
    """
    name = queries(scraped.mode)["Time to first chunk"].partition("rate(")[2].partition("[")[0]
    raw = f'sum by (le) ({name}{{gen_ai_response_model="{model}"}})'
    then, now = (
        {float(dict(labels)["le"]): count for labels, count in answer.items()}
        for answer in (scraped.prometheus.query(raw, at) for at in (scraped.before, scraped.after))
    )
    got = {le: now[le] - then[le] for le in sorted(now)}
    reached, longest = (
        min(le for le, count in counts.items() if count == max(counts.values()))
        for counts in (got, now)
    )
    return max([0.0, *(le for le in got if le < reached)]), longest
