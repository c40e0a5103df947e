# SPDX-License-Identifier: Apache-2.0
"""Agent loops beside the SDK's own spans, which are replaced, and loops without us."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import uninstrument
from tests.support import sdk
from tests.support.agent_runs import MODEL, STREAMED, add, asking, prepared, run
from tests.support.programs import Ran, dedented
from tests.support.programs import run as run_program
from tests.support.recording import Recording

OURS = "opentelemetry.instrumentation.genai.mistralai"
# Its loops have spans of their own whenever there is a global provider.
HAS_SPANS = sdk.VERSION >= (1, 10)
PROGRAM = """
    from opentelemetry.instrumentation.utils import suppress_instrumentation
    from tests.support.agent_runs import add, asking, prepared, run
    exporting('global')

    async def main():
        for streamed in (False, True):
            async with asking(sys.argv[1], 'loop_add') as conversations:
                result = await run(conversations, prepared(add), streamed=streamed)
                emit(result.output_as_text)

"""


def program(emulator: Emulator, before: str, **environment: str) -> Ran:
    """Runs a loop, then one that streams, in a process with a global provider."""
    # Programs count their keys from 0, each of them.
    emulator.clear()
    source = f"{dedented(PROGRAM)}{before}asyncio.run(main())\n"
    ran = run_program(source, emulator.url, **environment)
    assert (ran.code, ran.said().count("It is done.")) == (0, 2)
    return ran


def told(ran: Ran) -> list[Any]:
    """Each span's scope, name and parent's name, sorted."""
    said = ran.said()
    spans = [line for line in ran.lines if line not in said]
    names = {span["id"]: span["name"] for span in spans}
    told = ((s["scope"], s["name"], names.get(s["parent"])) for s in spans)
    return sorted(told, key=str)


@functools.cache
def without_us(emulator: Emulator, **environment: str) -> list[Any]:
    """What the SDK has to tell by itself."""
    return told(program(emulator, "", **environment))


@pytest.mark.parametrize(
    "environment", [{}, {"MISTRAL_SDK_TELEMETRY": "global"}], ids=["default", "asked for"]
)
def test_our_spans_replace_the_sdks(emulator: Emulator, environment: dict[str, str]) -> None:
    unpatched = without_us(emulator, **environment)
    assert bool(unpatched) == HAS_SPANS
    assert [span for span in unpatched if span[0] == OURS] == []
    ran = program(emulator, "instrument()\n", **environment)
    # Without us it is not silent on all lines: 1.12's own span gets an attribute that is None.
    assert ran.stderr == ""
    a_loop = [
        (OURS, f"chat {MODEL}", "invoke_agent"),
        (OURS, f"chat {MODEL}", "invoke_agent"),
        (OURS, "execute_tool add", "invoke_agent"),
        (OURS, "invoke_agent", None),
    ]
    assert told(ran) == sorted(a_loop * 2, key=str)


@pytest.mark.parametrize(
    "absent",
    [
        "instrument(); uninstrument()\n",
        "instrument(); kept = suppress_instrumentation(); kept.__enter__()\n",
    ],
    ids=["uninstrumented", "suppressed"],
)
def test_where_we_are_absent_the_sdk_has_its_spans(emulator: Emulator, absent: str) -> None:
    ran = program(emulator, absent)
    assert told(ran) == without_us(emulator)


@STREAMED
async def test_where_we_are_absent_there_is_no_span(
    emulator: Emulator, recording: Recording, *, streamed: bool
) -> None:
    with suppress_instrumentation():
        async with asking(emulator.url, "loop_add") as conversations:
            await run(conversations, prepared(add), streamed=streamed)
    uninstrument()
    async with asking(emulator.url, "loop_add") as conversations:
        result = await run(conversations, prepared(add), streamed=streamed)
    assert result.output_as_text == "It is done."
    assert recording.started == 0
    assert recording.metrics() == {}
