# SPDX-License-Identifier: Apache-2.0
"""Another library wrapped the SDK first, and returns something of its own."""

from __future__ import annotations

import importlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pytest

from opentelemetry.instrumentation.genai.mistralai import _log as _guard
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import names as s
from tests.support import sdk
from tests.support.conversations import Run, with_defaults
from tests.support.recording import Recording, plain

CONVERSATIONS: Final[Any] = importlib.import_module(sdk.CONVERSATIONS).Conversations


@pytest.mark.parametrize("value", [list, iter], ids=["list", "generator"])
def test_a_wrapper_that_returns_no_stream_ends_the_span_with_the_call(
    client: Any,
    run: Run,
    recording: Recording,
    no_log_records: list[logging.LogRecord],
    monkeypatch: pytest.MonkeyPatch,
    value: Callable[[list[str]], Any],
) -> None:
    def text_only(*_args: Any, **_kwargs: Any) -> Any:
        return value(["Hel", "lo"])

    async def texts(*_args: Any, **_kwargs: Any) -> Any:
        return _Texts(["Hel", "lo"])

    uninstrument()
    with monkeypatch.context() as patch:
        # Nothing has been logged yet in this process.
        patch.setattr(_guard, "_reported", set[tuple[str, str]]())
        patch.setattr(CONVERSATIONS, "start_stream", text_only)
        patch.setattr(CONVERSATIONS, "start_stream_async", texts)
        instrument(**recording.providers)
        for _ in range(2):
            assert run(client, "agent") == ["Hel", "lo"]
        uninstrument()
    spans = [plain(span) for span in recording.finished()]
    assert recording.started == len(spans) == 2
    for span in spans:
        assert (span.status, span.events) == ("UNSET", [])
        assert s.STREAM_OUTCOME not in span.attributes
    assert len(no_log_records) == 1
    assert "is it wrapped by another library?" in no_log_records[0].getMessage()
    no_log_records.clear()


class _Texts(list[str]):
    def __aiter__(self) -> AsyncIterator[str]:
        return _each(self)


async def _each(texts: list[str]) -> AsyncIterator[str]:
    for text in texts:
        yield text


def test_leaving_through_a_function_that_calls_what_we_wrapped_is_told_as_what_it_is(
    client: Any, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_class: Any = importlib.import_module(sdk.EVENTSTREAMING).EventStream
    ours = stream_class.__dict__["__exit__"]

    def unbound(*args: Any) -> Any:
        return ours(*args)

    with monkeypatch.context() as patch:
        patch.setattr(stream_class, "__exit__", unbound)
        start, asked = client.beta.conversations.start_stream, with_defaults("hang", {})
        with pytest.raises(KeyboardInterrupt), start(**asked):
            raise KeyboardInterrupt
    assert plain(recording.the_span()).attributes[s.STREAM_OUTCOME] == "cancelled"
