# SPDX-License-Identifier: Apache-2.0
"""Shapes that no server should send, as chunks and events of completions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from opentelemetry.instrumentation.genai.mistralai._recording.completions import CompletionRecorder
from opentelemetry.instrumentation.genai.mistralai._recording.responses import (
    HANDLERS,
    ResponseRecorder,
)
from tests.support.fake_completions import Chunk, Shape, Told, choice, chunk
from tests.support.fake_events import UNSET, Event, Unknown

HOSTILE: list[Any] = [
    None,
    UNSET,
    True,
    -1,
    10**30,
    "",
    "\ud800",
    [],
    [None],
    [[1]],
    {},
    {"raw": 1},
]
FIELDS: Final = "delta text item_id response error code usage usage_info model id choices message"
NAMES: Final = ("name", "arguments")
OF_RESPONSES: Final = "id model status output incomplete_details error usage choices"


def shapes(junk: Any) -> Iterator[Any]:
    """Everything that can be received, with junk in each place in turn."""
    call: dict[str, Any] = {"id": "c", "index": 0, "function": {"name": "f", "arguments": "{}"}}
    calls = [{**call, name: junk} for name in call]
    calls += [{**call, "function": {"name": "f", "arguments": "", name: junk}} for name in NAMES]
    yield from (junk, Chunk(junk), chunk(junk), chunk(usage=junk), chunk(id=junk, model=junk))
    yield from (chunk(choices=junk), chunk(choice(junk)), chunk(choice(0, junk)))
    yield from (chunk(choice(content=junk)), chunk(choice(content=[junk, {"text": junk}])))
    yield from (chunk(choice(tool_calls=given)) for given in (junk, [junk], *([c] for c in calls)))
    yield chunk(Shape(index=0, delta=junk, message=junk, finish_reason=None))
    items = [junk, {"content": junk}, {"arguments": junk, "name": junk, "call_id": junk}]
    for name in (junk, *HANDLERS):
        yield from (Event(name, junk), Event(name, Unknown(junk)))
        yield from (Event(name, Shape(**{of: junk})) for of in FIELDS.split())
        for told in ({"output": items}, *({of: junk} for of in OF_RESPONSES.split())):
            yield Event(name, Shape(response={"status": "completed", **told}))


@pytest.mark.parametrize("kind", [CompletionRecorder, ResponseRecorder])
@pytest.mark.parametrize("clean", [None, str], ids=["off", "on"])
@pytest.mark.parametrize("junk", HOSTILE, ids=repr)
def test_no_shape_that_a_server_invents_raises_or_leaves_the_span_open(
    monkeypatch: pytest.MonkeyPatch, kind: type[CompletionRecorder], clean: Any, junk: Any
) -> None:
    for shape in shapes(junk):
        told, whole = (Told(monkeypatch, clean, kind=kind) for _ in range(2))
        told.receives(shape, shape)
        told.recorder.exhausted()
        whole.recorder.on_response(getattr(shape, "data", shape))
        assert (told.end().outcome is None, whole.end().outcome) == (False, None)
