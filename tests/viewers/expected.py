# SPDX-License-Identifier: Apache-2.0
"""What a viewer is sent by ``tests.viewers.program``, and what it must tell of that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from genai_prices import Usage, calc_price

from examples.quickstart import MODEL
from tests.viewers.program import BROKEN, LEFT, REFUSED

CHAT: Final = f"chat {MODEL}"
AGENT: Final = "invoke_agent"
SEARCH: Final = "execute_tool web_search"
LOOK_UP: Final = "What does OpenTelemetry say about a stream? Look it up."
ONE_SENTENCE: Final = "And in one sentence?"
WRITE_DOWN: Final = "Who of you can write this down?"
HOW_WARM: Final = "How warm is it in Paris?"
WARM: Final = "It is 22 degrees in Paris."
# Words of the user, of the model and of tools: some of each conversation.
WORDS: Final = (
    REFUSED, BROKEN, LEFT, LOOK_UP, ONE_SENTENCE, WRITE_DOWN, HOW_WARM,
    "Hello wor", "The conventions", "becomes one span", "The writer answers", "22 degrees",
    "It is 22", "semantic conventions", "rate limit", "Internal error about", "1 + 1",
)  # fmt: skip
# Each span's name, with that of its parent.
TREE: Final = sorted([
    (CHAT, ""),  # is refused
    (CHAT, ""),  # fails midway
    (CHAT, ""), (SEARCH, CHAT),  # is left
    (CHAT, ""), (SEARCH, CHAT),
    (CHAT, ""),
    (AGENT, ""),
    ("execute_tool agent_handoff researcher", AGENT),
    ("invoke_agent researcher", AGENT),
    (SEARCH, "invoke_agent researcher"),
    ("execute_tool agent_handoff writer", "invoke_agent researcher"),
    ("invoke_agent writer", AGENT),
    ("execute_tool code_interpreter", "invoke_agent writer"),
    (AGENT, ""), (CHAT, AGENT), ("execute_tool get_weather", AGENT), (CHAT, AGENT),
])  # fmt: skip
# Input and output tokens of each call, with what began it.
TOKENS: Final = {
    (CHAT, LOOK_UP): (142, 38),
    (CHAT, ONE_SENTENCE): (24, 29),
    (AGENT, WRITE_DOWN): (90, 20),
    (CHAT, HOW_WARM): (18, 6),
    (CHAT, "22 degrees in Paris"): (32, 8),
}
TRACES: Final = 7


@dataclass
class Seen:
    """A span as a viewer tells it.

    Attributes:
        name: its own.
        kind: what the viewer takes it for.
        parent: its parent's name; none: empty.
        tokens: input and output, None if the viewer knows none.
        cost: dollars.
        session: the conversation that it is listed under.
        input: what the viewer shows as what went in.
        output: what it shows as what came out.
        error: its error's type, or empty.
        told: type and message of its exception events.
        attributes: all of the span's.
    """

    name: str
    kind: str
    parent: str
    tokens: tuple[int, int] | None
    cost: float | None
    session: str | None
    input: Any
    output: Any
    error: str
    told: list[tuple[str, str | None]]
    attributes: dict[str, Any]

    def begins(self, name: str, said: str) -> bool:
        """Whether it is the span of this name into which this went."""
        return self.name == name and said in str(self.input)


def the(spans: Iterable[Seen], name: str, said: str = "") -> Seen:
    """The one span of a name, or the one of them into which this went."""
    (found,) = (span for span in spans if span.begins(name, said))
    return found


def price_of(tokens: tuple[int, int] | None) -> float:
    """What the tokens cost, in dollars, by the prices that are published in ``genai-prices``."""
    read, written = tokens or (0, 0)
    usage = Usage(input_tokens=read, output_tokens=written)
    return float(calc_price(usage, MODEL, provider_id="mistral").total_price)
