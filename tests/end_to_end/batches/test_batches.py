# SPDX-License-Identifier: Apache-2.0
"""Batches: a span for each that is created, one for each collection, and counters of their own."""

from __future__ import annotations

import importlib
import inspect
from typing import Any, Final

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from opentelemetry.instrumentation.genai.mistralai._otel.surroundings import last_turns
from tests.support import methods, sdk
from tests.support import names as s
from tests.support.batches import CHAT, Use, batch, output
from tests.support.completions import BOTH, Ask, assert_is, place
from tests.support.recording import Recording, Span, plain

JOBS: Final = "batch.jobs.create"
HAS_CLIENT: Final = pytest.mark.skipif(sdk.VERSION < (2, 10), reason="came with 2.10")


@pytest.fixture(autouse=True)
def no_job_before() -> None:
    """Nobody has created ``job_1`` yet."""
    vars(last_turns)["_turns"].clear()


def told(emulator: Emulator, operation: str, status: str) -> dict[str, Any]:
    return {
        **place(emulator),
        s.OPERATION_NAME: operation,
        s.REQUEST_MODEL: "m",
        s.BATCH_ENDPOINT: CHAT,
        s.BATCH_JOB: "job_1",
        s.BATCH_STATUS: status,
        s.BATCH_REQUESTS: 3,
    }


@BOTH
def test_a_batch_that_is_created_is_one_whole_span(
    emulator: Emulator, client: Any, recording: Recording, ask: Ask
) -> None:
    ask(client, JOBS, **methods.GIVEN[JOBS])
    expected = told(emulator, "create_batch", "QUEUED")
    assert_is(recording.span(), Span("create_batch m", expected))
    ((attributes, (count, _)),) = recording.metrics()[s.METRIC_DURATION]
    assert count == 1
    assert attributes == {
        **place(emulator),
        s.OPERATION_NAME: "create_batch",
        s.REQUEST_MODEL: "m",
    }
    assert [*recording.metrics()] == [s.METRIC_DURATION]


async def error_output(known: Any) -> Any:
    own, handle, _ = known
    return await own.error_output(handle=handle)


async def streamed(known: Any) -> Any:
    own, handle, _ = known
    return [item async for item in own.stream_results(handle)]


def counted(times: int = 1) -> dict[str, Any]:
    """The counters after the results were read so often."""
    shared = {s.PROVIDER_NAME: "mistral_ai"}
    model = {**shared, s.RESPONSE_MODEL: "m"}
    return {
        s.METRIC_BATCH_TOKENS: [
            ({**model, s.TOKEN_TYPE: "input"}, 30 * times),
            ({**model, s.TOKEN_TYPE: "output"}, 10 * times),
        ],
        s.METRIC_BATCH_ERRORS: [
            ({**shared, s.ERROR_TYPE: "429"}, times),
            ({**shared, s.ERROR_TYPE: "too_long"}, times),
        ],
    }


@HAS_CLIENT
@pytest.mark.parametrize("use", [output, error_output])
def test_results_are_counted_apart_and_collecting_them_is_one_span(
    emulator: Emulator, recording: Recording, use: Use
) -> None:
    found = batch(emulator, use)
    assert (len(found.responses), len(found.request_errors), len(found.response_errors)) == (
        2,
        2,
        1,
    )
    expected = told(emulator, "collect_batch", "SUCCESS") | {
        s.REQUEST_MODEL: sdk_model(),
        s.BATCH_RESPONSES: 2,
        s.BATCH_ERRORS: 3,
    }
    assert_is(recording.span(), Span(f"collect_batch {sdk_model()}", expected))
    metrics = recording.metrics()
    assert metrics.pop(s.METRIC_DURATION)[0][0][s.OPERATION_NAME] == "collect_batch"
    assert metrics == counted()
    assert "Hello" not in str(plain(recording.the_span()))


def sdk_model() -> str:
    """The model that the emulator names for a job of which it knows none."""
    return "mistral-medium-latest"


@BOTH
def test_results_inside_a_job_are_counted_without_a_span(
    client: Any, recording: Recording, ask: Ask
) -> None:
    if not takes_inline(client):
        pytest.skip(f"mistralai {sdk.VERSION} has no results inside a job")
    given = {"job_id": "job_1", "http_headers": {"x-emulator-scenario": "batch_inline"}}
    job = ask(client, "batch.jobs.get", None, inline=True, **given)
    assert len(job.outputs) == 4
    assert recording.spans() == []
    assert recording.metrics() == counted()
    # Who looks at a job's state alone gets no results.
    ask(client, "batch.jobs.get", None, **given)
    assert recording.metrics() == counted()
    uninstrument()
    ask(client, "batch.jobs.get", None, inline=True, **given)
    assert recording.metrics() == counted()


def takes_inline(client: Any) -> bool:
    return "inline" in inspect.signature(client.batch.jobs.get).parameters


@HAS_CLIENT
def test_results_that_stream_are_counted_without_a_span(
    emulator: Emulator, recording: Recording
) -> None:
    """Both files of a job are read, and each has the same lines here."""
    assert len(batch(emulator, streamed)) == 10
    assert recording.spans() == []
    assert recording.metrics() == counted(2)


@HAS_CLIENT
def test_collecting_is_linked_to_creating(emulator: Emulator, recording: Recording) -> None:
    async def both(known: Any) -> Any:
        own, handle, mistral = known
        await mistral.batch.jobs.create_async(**methods.GIVEN[JOBS])
        await own.output(handle)
        return await own.error_output(handle)

    batch(emulator, both)
    created, *collected = recording.spans()
    assert [span.name.partition(" ")[0] for span in collected] == ["collect_batch"] * 2
    assert [[link.context for link in span.links] for span in collected] == [[created.context]] * 2


@HAS_CLIENT
def test_waiting_for_a_job_is_no_span(emulator: Emulator, recording: Recording) -> None:
    async def waited(known: Any) -> Any:
        own, handle, _ = known
        return await own.output(handle, poll_interval_seconds=0)

    batch(emulator, waited, status="batch_running")
    assert recording.spans() == []
    assert recording.metrics() == counted()


@HAS_CLIENT
def test_a_file_that_cannot_be_had_is_an_error(emulator: Emulator, recording: Recording) -> None:
    async def refused(known: Any) -> Any:
        own, handle, _ = known
        await own.output(handle, http_headers={"x-emulator-scenario": "http_500"})

    with pytest.raises(Exception, match="500"):
        batch(emulator, refused)
    span = recording.span()
    assert (span.status, span.attributes[s.ERROR_TYPE]) == ("ERROR", "500")
    assert not {s.METRIC_BATCH_TOKENS, s.METRIC_BATCH_ERRORS} & set(recording.metrics())


@HAS_CLIENT
def test_nothing_is_counted_when_nobody_asks(emulator: Emulator) -> None:
    made = Recording()
    instrument(**made.providers)
    with suppress_instrumentation():
        batch(emulator, output)
    uninstrument()
    batch(emulator, output)
    assert (made.spans(), made.metrics()) == ([], {})
    module: Any = importlib.import_module("mistralai.extra.batch.client")
    assert not hasattr(module._parse_output_obj, "__wrapped__")  # noqa: SLF001 -- is it put back?
