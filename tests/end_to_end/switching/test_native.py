# SPDX-License-Identifier: Apache-2.0
"""The SDK's own spans: replaced during our calls, never doubled, and otherwise left alone."""

from __future__ import annotations

import pytest

from emulator import Emulator
from tests.support import sdk
from tests.support.native_spans import ASKED, NATIVE, ids, sent, traces
from tests.support.programs import Ran, dedented, run

BEFORE = """
    import random, warnings
    from opentelemetry import context, trace
    from tests.support import sdk
    exporting('global')
"""
ON = "instrument()\n"
SYNC = "list(start())\n"
ASYNC = """
async def main(count=1, **arguments):
    global client
    async with httpx.AsyncClient(verify=False, trust_env=False) as own:
        client = Mistral(api_key="key", server_url=sys.argv[1], client=http, async_client=own)
        await asyncio.gather(*(read(**arguments) for _ in range(count)))

async def read(**arguments):
    async for event in await start_async(**arguments):
        pass

asyncio.run(main())
"""
CALLS = pytest.mark.parametrize("call", [SYNC, ASYNC], ids=["sync", "async"])
ENVIRONMENTS = pytest.mark.parametrize("environment", [{}, ASKED], ids=["default", "asked for"])


def program(emulator: Emulator, *parts: str, **environment: str) -> Ran:
    """Runs the parts one after the other; they are silent."""
    emulator.clear()
    source = "".join(dedented(part) + "\n" for part in (BEFORE, *parts))
    ran = run(source, emulator.url, **environment)
    assert ran.stderr == ""
    assert ran.code == 0
    return ran


@CALLS
@ENVIRONMENTS
def test_a_stream_has_our_span_alone_and_sends_its_traceparent(
    emulator: Emulator, call: str, environment: dict[str, str]
) -> None:
    unpatched = program(emulator, call, **environment)
    would_trace = len(unpatched.spans(NATIVE)) == 1
    assert would_trace == traces(environment)
    assert [header is not None for header in sent(emulator)] == [would_trace]
    ran = program(emulator, ON, call, **environment)
    (span,) = ran.spans()
    assert (span["outcome"], span["parent"], span["to"]) == ("completed", None, "global")
    assert ran.spans(NATIVE) == []
    assert sent(emulator) == [ids(span) if would_trace else None]


@ENVIRONMENTS
def test_concurrent_streams_have_one_span_each(
    emulator: Emulator, environment: dict[str, str]
) -> None:
    five = ASYNC.replace("main()", "main(5, scenario='answer')")
    ran = program(emulator, ON, five, **environment)
    spans = ran.spans()
    assert [span["outcome"] for span in spans] == ["completed"] * 5
    assert ran.spans(NATIVE) == []
    expected = {ids(span) for span in spans} if traces(environment) else {None}
    assert set(sent(emulator)) == expected


@pytest.mark.parametrize(
    "call",
    [
        "list(start('retry_then_ok', retries=sdk.retries()))\n",
        ASYNC.replace("main()", "main(scenario='retry_then_ok', retries=sdk.retries())"),
    ],
    ids=["sync", "async"],
)
def test_retries_are_one_span_and_each_attempt_carries_it(emulator: Emulator, call: str) -> None:
    ran = program(emulator, ON, call, **ASKED)
    (span,) = ran.spans()
    assert span["outcome"] == "completed"
    assert ran.spans(NATIVE) == []
    assert sent(emulator) == [ids(span) if traces(ASKED) else None] * 3


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        ("with start('hang') as stream: next(stream)\n", "closed"),
        ("next(start('hang')); gc.collect()\n", "abandoned"),
        ("stream = start('hang')\n", "abandoned"),
        ("try: list(start('cut'))\nexcept httpx.RemoteProtocolError: pass\n", "failed"),
        ("try: start('http_401')\nexcept Exception: pass\n", None),
        ("try: start('refuse')\nexcept httpx.RemoteProtocolError: pass\n", None),
    ],
)
def test_a_stream_that_does_not_complete_leaves_no_span_of_the_sdk_open(
    emulator: Emulator, call: str, outcome: str | None
) -> None:
    ran = program(emulator, ON, call, **ASKED)
    (span,) = ran.spans()
    assert span["outcome"] == outcome
    assert ran.spans(NATIVE) == []
    assert sent(emulator) == [ids(span) if traces(ASKED) else None]


def test_our_own_provider_gets_our_span_and_the_global_one_gets_none(emulator: Emulator) -> None:
    ran = program(emulator, "instrument(tracer_provider=exporting('ours'))", SYNC, **ASKED)
    (span,) = ran.spans()
    assert (span["to"], ran.spans(NATIVE)) == ("ours", [])
    assert sent(emulator) == [ids(span) if traces(ASKED) else None]


@CALLS
def test_the_callers_span_is_the_parent_of_ours(emulator: Emulator, call: str) -> None:
    within = "with trace.get_tracer('mine').start_as_current_span('mine'):\n"
    indented = "".join(f"    {line}\n" for line in call.strip().splitlines())
    ran = program(emulator, ON, within + indented, **ASKED)
    (span,), (mine,) = ran.spans(), ran.spans("mine")
    assert (span["trace"], span["parent"]) == (mine["trace"], mine["id"])
    assert ran.spans(NATIVE) == []


OTHER_METHOD = """
try:
    client.models.list()
except Exception as exc:
    emit(type(exc).__name__)
"""


@ENVIRONMENTS
def test_methods_that_are_not_ours_keep_the_sdks_span(
    emulator: Emulator, environment: dict[str, str]
) -> None:
    ran = program(emulator, ON, SYNC, OTHER_METHOD, **environment)
    assert len(ran.spans()) == 1
    assert "SDKError" in ran.said()
    native = ran.spans(NATIVE)
    assert len(native) == traces(environment)
    assert sent(emulator)[1:] == ([ids(native[0])] if native else [None])


@pytest.mark.parametrize(
    "absent",
    [
        "instrument(); uninstrument()\n",
        "context.attach(context.set_value('suppress_instrumentation', True)); instrument()\n",
        "context.attach(context.set_value('suppress_language_model_instrumentation', True)); " + ON,
    ],
    ids=["uninstrumented", "suppressed", "suppressed by a framework"],
)
def test_where_we_are_absent_the_sdk_traces_as_ever(emulator: Emulator, absent: str) -> None:
    ran = program(emulator, absent, SYNC, **ASKED)
    assert ran.spans() == []
    native = ran.spans(NATIVE)
    assert len(native) == traces(ASKED)
    assert sent(emulator) == ([ids(native[0])] if native else [None])


@pytest.mark.parametrize(
    ("since", "give"),
    [
        ((2, 4, 8), "observability.configure_telemetry(client, provider=provider)"),
        ((2, 4, 5), "observability.set_tracer_provider(client, provider)"),
    ],
    ids=["configure_telemetry", "set_tracer_provider"],
)
def test_a_provider_that_was_given_to_the_client_keeps_its_spans(
    emulator: Emulator, since: tuple[int, ...], give: str
) -> None:
    theirs = f"""
        import logging
        provider = exporting('theirs')
        logging.disable()  # the SDK tells that it does not redact what goes elsewhere
        try:
            import mistralai.extra.observability as observability
            {give}
        except (ImportError, AttributeError):
            emit('cannot')
        logging.disable(0)
    """
    lacks_it = since > sdk.VERSION
    unpatched = program(emulator, theirs, SYNC)
    ran = program(emulator, ON, theirs, SYNC)
    (span,) = ran.spans()
    assert (span["to"], span["outcome"]) == ("global", "completed")
    assert ("cannot" in ran.said()) == lacks_it
    if lacks_it:
        assert ran.spans(NATIVE) == []
        return
    (before,), (native,) = unpatched.spans(NATIVE), ran.spans(NATIVE)
    facts = ("name", "to", "status", "outcome")
    assert [native[key] for key in facts] == [before[key] for key in facts]
    assert native["to"] == "theirs"
    assert sent(emulator) == [ids(native)]
