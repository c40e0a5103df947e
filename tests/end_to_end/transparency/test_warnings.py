# SPDX-License-Identifier: Apache-2.0
"""A warning of the SDK is about the user's line, with the plugin as without it."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
import typing_extensions

from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from opentelemetry.instrumentation.genai.mistralai._sdk.table import LOOPS, METHODS, ROOTS
from tests.support import sdk
from tests.support.methods import is_said_to_exist
from tests.support.recording import Recording

HELLO: Final = {"model": "m", "messages": [{"role": "user", "content": "Hello?"}]}
DECORATORS: Final[list[Any]] = [
    getattr(module, "deprecated")  # noqa: B009 -- not before Python 3.13
    for module in (typing_extensions, warnings)
    if hasattr(module, "deprecated")
]
Blamed = tuple[str, int, type[Warning], str]


def chat() -> Any:
    """The class of today: a module of the SDK may have been imported again since the collection."""
    return importlib.import_module(f"{sdk.ROOT}.chat").Chat


@pytest.fixture(params=DECORATORS)
def deprecated(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Marks the methods as deprecated, as the SDK does with others, while we are off."""

    def mark(**options: Any) -> None:
        for name in ("complete", "complete_async"):
            decorate = request.param("Use another one.", **options)
            monkeypatch.setattr(chat(), name, decorate(chat().__dict__[name]))

    yield mark
    uninstrument()


def ask(client: Any) -> None:
    client.chat.complete(**HELLO)


def ask_unbound(client: Any) -> None:
    chat().complete(client.chat, **HELLO)


def ask_async(client: Any) -> None:
    async def call() -> None:
        async with sdk.Mistral(api_key="k", server_url=client.sdk_configuration.server_url) as own:
            await own.chat.complete_async(**HELLO)

    asyncio.run(call())


def blamed(call: Callable[[Any], None], client: Any) -> list[Blamed]:
    """File, line and category that the warnings of a call are attributed to."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(client)
    # What an old SDK and a new pydantic have to say to each other is in the SDK's own files.
    told = [w for w in caught if "model_fields" not in str(w.message)]
    return [(w.filename, w.lineno, w.category, str(w.message)) for w in told]


@pytest.mark.parametrize("call", [ask, ask_unbound, ask_async])
@pytest.mark.parametrize("options", [{}, {"category": FutureWarning}, {"stacklevel": 2}])
def test_a_deprecated_method_is_blamed_on_the_same_line(
    client: Any, call: Callable[[Any], None], deprecated: Any, options: dict[str, Any]
) -> None:
    deprecated(**options)
    bare = blamed(call, client)
    recording = Recording()
    instrument(**recording.providers)
    assert blamed(call, client) == bare
    assert [message for *_, message in bare] == ["Use another one."]
    assert (bare[0][0] == __file__) == (options != {"stacklevel": 2} or call is not ask_async)
    assert recording.the_span().name == "chat m"


@pytest.mark.parametrize("call", [ask, ask_async])
def test_a_warning_that_is_an_error_is_raised_and_no_call_is_made(
    client: Any, call: Callable[[Any], None], deprecated: Any
) -> None:
    deprecated()
    recording = Recording()
    instrument(**recording.providers)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DeprecationWarning, match=r"Use another one\."):
            call(client)
    assert recording.started == 0


def test_pythons_default_filter_shows_it(client: Any, deprecated: Any) -> None:
    deprecated()
    recording = Recording()
    instrument(**recording.providers)
    main = {"__name__": "__main__", "client": client, "HELLO": HELLO}
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        # What Python has when it is started without options.
        warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")
        warnings.filterwarnings("ignore", category=DeprecationWarning, append=True)
        exec("client.chat.complete(**HELLO)", main)  # noqa: S102 -- a user's main program
    assert [str(warning.message) for warning in caught] == ["Use another one."]


def test_a_deprecated_method_is_given_back(client: Any, deprecated: Any) -> None:
    deprecated()
    before = chat().__dict__["complete"]
    instrument(**Recording().providers)
    assert chat().__dict__["complete"] is not before
    uninstrument()
    assert chat().__dict__["complete"] is before
    assert [line[0] for line in blamed(ask, client)] == [__file__]


def test_a_method_that_another_decorator_marks_is_called_as_it_is(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = chat().__dict__["complete"]

    def marked(*args: Any, **kwargs: Any) -> Any:
        marked.calls += 1  # type: ignore[attr-defined]
        return original(*args, **kwargs)

    marked.calls, marked.__wrapped__, marked.__deprecated__ = 0, original, "no"  # type: ignore[attr-defined]
    monkeypatch.setattr(chat(), "complete", marked)
    recording = Recording()
    instrument(**recording.providers)
    ask(client)
    assert (recording.started, vars(marked)["calls"]) == (1, 1)
    uninstrument()


ROWS: Final = [f"{row.cls}.{row.method}" for row in (*METHODS, *LOOPS)]


@pytest.mark.parametrize("row", [*METHODS, *LOOPS], ids=ROWS)
def test_no_wrapped_method_of_this_sdk_warns_by_itself(row: Any) -> None:
    """Our frame would count for its ``stacklevel``; only the decorator's warning is passed on."""
    found = False
    for root in ROOTS:
        try:
            cls: Any = getattr(importlib.import_module(f"{root}.{row.module}"), row.cls)
        except (ImportError, AttributeError):
            continue
        for name in (row.method, f"{row.method}_async"):
            if name in vars(cls):
                found = True
                unwrap: Any = inspect.unwrap
                assert "warn(" not in inspect.getsource(unwrap(vars(cls)[name]))
    assert found or row.cls == "Agents" or not is_said_to_exist(row)
