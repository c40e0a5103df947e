# SPDX-License-Identifier: Apache-2.0
"""A setting is recorded as the SDK sends it, byte for byte, and not if it refuses it."""

from __future__ import annotations

import logging
from collections import UserDict
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from inspect import signature
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opentelemetry.instrumentation.genai.mistralai._reading.requests import start_request
from tests.support import names as s
from tests.support import sdk
from tests.support.fakes import typed
from tests.support.raw_server import RawServer, raw_server
from tests.support.recording import Recording

NUMBERS: Final = {
    "temperature": s.REQUEST_TEMPERATURE,
    "top_p": s.REQUEST_TOP_P,
    "presence_penalty": s.REQUEST_PRESENCE_PENALTY,
}
INTEGERS: Final = {
    "max_tokens": s.REQUEST_MAX_TOKENS,
    "random_seed": s.REQUEST_SEED,
    "n": s.REQUEST_CHOICE_COUNT,
}


def chat_has(name: str) -> bool:
    """Whether the SDK's chat takes an argument: newer lines take more."""
    return name in signature(sdk.Mistral(api_key="key").chat.complete).parameters


class Text(str):
    __slots__ = ()


class Level(IntEnum):
    HIGH = 7


class Choice(Enum):
    THREE = 3


class Index:
    def __index__(self) -> int:
        return 7


class Float:
    def __float__(self) -> float:
        return 0.5


VALUES: Final[dict[str, Any]] = {
    "an int": 5,
    "a float": 0.2,
    "an integral float": 64.0,
    "a large float": 1e22,
    "True": True,
    "False": False,
    "numpy int64": np.int64(7),
    "numpy uint8": np.uint8(3),
    "a large numpy int": np.int64(2**60 + 1),
    "numpy float32": np.float32(0.2),
    "numpy float64": np.float64(0.25),
    "numpy bool": np.bool_(True),  # noqa: FBT003 -- numpy's
    "numpy text": np.str_("5"),
    "an array without dimensions": np.array(5),
    "an array of two": np.array([1, 2]),
    "a fractional Decimal": Decimal("0.2"),
    "an integral Decimal": Decimal("64.0"),
    "an exact Decimal": Decimal(2**60 + 1),
    "a large Decimal": Decimal("1e30"),
    "a Decimal that is none": Decimal("NaN"),
    "a Fraction": Fraction(1, 2),
    "an integral Fraction": Fraction(4),
    "an IntEnum": Level.HIGH,
    "an Enum": Choice.THREE,
    "an index": Index(),
    "something with a float": Float(),
    "digits": "5",
    "digits with a sign": "+5",
    "digits with a fraction": "0.2",
    "digits with zeros": "64.00",
    "digits with a point": "5.",
    "a fraction alone": ".0",
    "grouped digits": "1_000",
    "grouped digits and a space": " 1_000",
    "grouped digits and a line's end": b"1_000\n",
    "digits with spaces": " 5 ",
    "digits of large size": str(2**60 + 1),
    "digits without end": "9" * 30,
    "an exponent": "1e3",
    "hexadecimal": "0x10",
    "other digits": "\u0665",
    "text": "many",
    "no text": "",
    "infinity in words": "inf",
    "a text of the user's": Text("0.5"),
    "bytes": b"5",
    "fractional bytes": b"0.2",
    "a bytearray": bytearray(b"5"),
    "nan": float("nan"),
    "infinity": float("inf"),
    "large": 2**70,
    "negative": -3,
    "complex": 1j,
    "a list": [5],
    "an object": object(),
}


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    """One server for all."""
    with raw_server() as running:
        yield running


@pytest.fixture(scope="module")
def asker(server: RawServer) -> Iterator[Any]:
    """A client of it."""
    with sdk.Mistral(api_key="key", server_url=server.url) as client:
        yield client


def sent_and_recorded(
    server: RawServer, client: Any, recording: Recording, **setting: Any
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The body that was sent, None if the SDK refused, and the span's attributes."""
    before = len(server.bodies), recording.started
    try:
        client.chat.complete(model="m", messages=[{"role": "user", "content": "?"}], **setting)
    except Exception:  # noqa: BLE001 -- refused, by a pydantic of which there are many
        assert len(server.bodies) == before[0]
    assert recording.started == before[1] + 1
    bodies = server.bodies[before[0] :]
    return (bodies[0] if bodies else None), dict(recording.finished()[-1].attributes or {})


def as_told(name: str, value: Any) -> Any:
    """What OTLP has of a JSON value, None for nothing."""
    if value is None or (name == "n" and value == 1):
        return None
    if name in NUMBERS:
        return float(value)
    return value if abs(value) < 2**63 else None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_number_is_recorded_as_it_is_sent(
    server: RawServer, asker: Any, recording: Recording, value: Any
) -> None:
    told, expected = {}, {}
    for name, key in (*NUMBERS.items(), *INTEGERS.items()):
        body, attributes = sent_and_recorded(server, asker, recording, **{name: value})
        sent = None if body is None else as_told(name, body[name])
        found = attributes.get(key)
        told[name], expected[name] = (type(found), found), (type(sent), sent)
    assert told == expected


SWITCHES: Final = {
    "safe_prompt": s.REQUEST_SAFE_PROMPT,
    "parallel_tool_calls": s.REQUEST_PARALLEL_TOOL_CALLS,
}
WORDS: Final = [
    "yes",
    "No",
    "ON",
    "off",
    "T",
    "f",
    "1",
    "0",
    b"true",
    b"y",
    " true",
    "2",
    0,
    1,
    1.0,
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("value", [*VALUES.values(), *WORDS], ids=[*VALUES, *map(repr, WORDS)])
def test_a_switch_is_recorded_as_it_is_sent(
    server: RawServer, asker: Any, recording: Recording, value: Any
) -> None:
    for name, key in SWITCHES.items():
        if not chat_has(name):
            continue
        body, attributes = sent_and_recorded(server, asker, recording, **{name: value})
        assert attributes.get(key) is (None if body is None else body[name])


@pytest.mark.skipif(not chat_has("top_k"), reason="this SDK's chat has no top_k")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_the_number_of_candidates_is_recorded_as_it_is_sent(
    server: RawServer, asker: Any, recording: Recording, value: Any
) -> None:
    body, attributes = sent_and_recorded(server, asker, recording, top_k=value)
    sent = None if body is None else as_told("top_k", body["top_k"])
    told = attributes.get(s.REQUEST_TOP_K)
    assert (type(told), told) == (type(sent), sent)


CHOSEN: Final[dict[str, tuple[Any, str]]] = {
    "tool_choice": ("any", s.REQUEST_TOOL_CHOICE),
    "prompt_mode": ("reasoning", s.REQUEST_PROMPT_MODE),
    "prompt_cache_key": ("tenant-7", s.REQUEST_PROMPT_CACHE_KEY),
    "service_tier": ("auto", s.REQUEST_SERVICE_TIER),
    "safe_prompt": (True, s.REQUEST_SAFE_PROMPT),
    "parallel_tool_calls": (False, s.REQUEST_PARALLEL_TOOL_CALLS),
    "top_k": (40, s.REQUEST_TOP_K),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_what_users_filter_by_is_on_the_span_alone(
    server: RawServer, asker: Any, recording: Recording, name: str
) -> None:
    if not chat_has(name):
        pytest.skip(f"this SDK's chat has no {name}")
    value, key = CHOSEN[name]
    body, attributes = sent_and_recorded(server, asker, recording, **{name: value})
    assert body is not None
    assert typed({key: attributes[key]}) == typed({key: body[name]}) == typed({key: value})
    told = [attributes for points in recording.metrics().values() for attributes, _ in points]
    assert told
    assert not any(key in attributes for attributes in told)


STOPS: Final[dict[str, Any]] = {
    "one": "END",
    "of the user's class": Text("END"),
    "of numpy's": np.str_("END"),
    "some": ["END", "STOP"],
    "a tuple": ("END", "STOP"),
    "an empty one among them": ["END", ""],
    "none": [],
    "a number among them": ["END", 7],
    "a number": 7,
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
def test_stop_sequences_are_recorded_as_they_are_sent(
    server: RawServer, asker: Any, recording: Recording, stop: Any
) -> None:
    body, attributes = sent_and_recorded(server, asker, recording, stop=stop)
    sent = None if body is None else body["stop"]
    told = attributes.get(s.REQUEST_STOP_SEQUENCES)
    assert (None if told is None else list(told)) == ([sent] if isinstance(sent, str) else sent)


ARGS: Final[dict[str, Any]] = {"temperature": "0.2", "max_tokens": 64.0, "stop": "END"}


@pytest.mark.parametrize("kind", [dict, UserDict, MappingProxyType])
def test_the_settings_of_a_conversation_may_be_any_of_pythons_mappings(
    server: RawServer, asker: Any, recording: Recording, kind: Any
) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 -- the answer is no conversation
        asker.beta.conversations.start(model="m", inputs="?", completion_args=kind(ARGS))
    sent = server.bodies[-1]["completion_args"]
    attributes = recording.span().attributes
    told = {key: attributes[key] for key in attributes if key.startswith(s.REQUEST)}
    assert typed(told) == typed(
        {
            s.REQUEST_MODEL: "m",
            s.REQUEST_TEMPERATURE: sent["temperature"],
            s.REQUEST_MAX_TOKENS: sent["max_tokens"],
            s.REQUEST_STOP_SEQUENCES: [sent["stop"]],
        }
    )


VERSIONS: Final[list[Any]] = [3, "3", True, np.int64(3), 3.0, Decimal(3), 10**5000]


@pytest.mark.skipif(sdk.VERSION < (1, 10), reason="an agent has no version before 1.10")
@pytest.mark.parametrize("version", VERSIONS, ids=range(len(VERSIONS)))
def test_an_agents_version_is_recorded_as_text(
    server: RawServer, asker: Any, recording: Recording, version: Any
) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 -- the answer is no conversation
        asker.beta.conversations.start(agent_id="ag_1", inputs="?", agent_version=version)
    told = recording.span().attributes.get(s.AGENT_VERSION)
    if version == VERSIONS[-1]:
        assert told is None
    else:
        assert told == str(server.bodies[-1]["agent_version"])


# Each stands alone


class Trap:
    """What raises whatever is done to it, as an object of the user's may."""

    def _raise(self, *_: object) -> Any:
        raise RuntimeError("not now")

    __eq__ = __float__ = __int__ = __index__ = __str__ = __len__ = __bool__ = __iter__ = _raise
    __getattr__ = __hash__ = __abs__ = __lt__ = _raise


class LateTrap(Trap):
    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("not now")


class TextTrap(str):
    __slots__ = ()

    def _raise(self, *_: object) -> Any:
        raise RuntimeError("not now")

    if not TYPE_CHECKING:
        __len__ = __bool__ = __getitem__ = isascii = strip = encode = _raise


class LazyDict(dict[str, Any]):
    def _raise(self, *_: object) -> Any:
        raise RuntimeError("not now")

    __iter__ = __getitem__ = items = keys = get = copy = _raise


class LazyMapping(UserDict[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("not now")


NAMES: Final = [
    "temperature", "top_p", "max_tokens", "frequency_penalty", "presence_penalty", "stop",
    "random_seed", "reasoning_effort", "response_format", "n", "output_dimension",
    "encoding_format", "max_output_tokens", "previous_response_id", "reasoning", "text",
    "agent_version", "top_k", "tool_choice", "parallel_tool_calls", "prompt_mode", "service_tier",
    "prompt_cache_key", "safe_prompt", "tools", "conversation",
]  # fmt: skip
RAISING: Final[dict[str, Callable[[], Any]]] = {
    "an object": Trap,
    "one that hides what it has": LateTrap,
    "a text": lambda: TextTrap("5"),
    "a dict": lambda: LazyDict(type="text", effort="high", format=1),
    "a mapping": lambda: LazyMapping(type="text", effort="high", format=1),
    "an array": lambda: np.array([1, 2]),
}


@pytest.mark.parametrize("kind", RAISING)
@pytest.mark.parametrize("name", NAMES)
def test_a_setting_that_raises_costs_only_itself(
    caplog: pytest.LogCaptureFixture, name: str, kind: str
) -> None:
    raising = RAISING[kind]()
    with caplog.at_level(logging.CRITICAL, "opentelemetry.instrumentation.genai.mistralai"):
        others = {"temperature": 0.2, "n": 3}
        request = start_request({"model": "m", **others, name: raising})
    expected = {
        s.REQUEST_MODEL: "m",
        s.REQUEST_TEMPERATURE: 0.2,
        s.REQUEST_CHOICE_COUNT: 3,
    }
    for setting, key in (("temperature", s.REQUEST_TEMPERATURE), ("n", INTEGERS["n"])):
        if name == setting:
            del expected[key]
    told = dict(request.attributes)
    told = {key: value for key, value in told.items() if key.startswith(s.REQUEST)}
    # The plain text in it is there, and harmless.
    found = {key: told.pop(key) for key in list(told) if key not in expected}
    assert told == expected
    assert all(isinstance(raising, (str, np.ndarray)) for _ in found)


@pytest.mark.parametrize("kind", [LazyDict, LazyMapping, Trap, LateTrap])
def test_settings_that_cannot_be_read_cost_nothing_else(
    caplog: pytest.LogCaptureFixture, kind: Any
) -> None:
    source = kind() if issubclass(kind, Trap) else kind(n=3)
    with caplog.at_level(logging.CRITICAL, "opentelemetry.instrumentation.genai.mistralai"):
        request = start_request({"model": "m", "completion_args": source})
    assert request.attributes[s.REQUEST_MODEL] == "m"
    assert INTEGERS["n"] not in request.attributes


def test_an_array_does_not_cost_the_call_its_span(
    server: RawServer, asker: Any, recording: Recording
) -> None:
    body, attributes = sent_and_recorded(
        server, asker, recording, n=np.array([1, 2]), temperature=0.5
    )
    assert body is None
    assert attributes[s.REQUEST_TEMPERATURE] == 0.5
    assert attributes[s.ERROR_TYPE] == sdk.VALIDATION_ERROR


SLOW: Final = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@given(st.text("0123456789_.+- eE", max_size=8) | st.decimals() | st.floats() | st.integers())
@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
def test_whatever_is_written_is_recorded_as_it_is_sent(
    server: RawServer, asker: Any, recording: Recording, value: Any
) -> None:
    for name, key in (("temperature", NUMBERS["temperature"]), ("n", INTEGERS["n"])):
        body, told = sent_and_recorded(server, asker, recording, **{name: value})
        assert told.get(key) == (None if body is None else as_told(name, body[name]))
