# SPDX-License-Identifier: Apache-2.0
"""Finds another library's inference that a call is part of: a span, or util-genai's data.

A framework that records each of its requests as an inference span, and opentelemetry-util-genai's
``TelemetryHandler().inference(...)``, already describe the request that the SDK is about to make. A
second span for it would double the tokens, and the price, of everybody who sums over spans. So the
call gets a `Host`, and its facts go there.

* A framework's span adopts one call: the first that asks for its model. The span's `Seat` marks
  that it has adopted one.
* A framework may record the tokens of the request that answered. When its first request fails, the
  next one (a retry, another model) still belongs to the framework. Calls that are made while a
  request of the framework is under way, or after it has answered, are the user's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span

from .. import _log
from .. import _names as s
from .._reading.requests import COUNTED, INFERENCE
from .surroundings import SPAN

if TYPE_CHECKING:
    from .._reading.fields import AttributeValue
    from .._reading.requests import Request

# This module reads the context directly: get_current_span() takes ten times as long, and most calls
# are made where there is no host. util-genai's keys are fixed strings, so they are found without
# importing it.
_INFERENCE_DATA: Final = "opentelemetry.genai.client.inference.context"
_EMBEDDINGS_DATA: Final = "opentelemetry.genai.client.embedding.context"
_INFERENCES: Final = frozenset({s.CHAT, s.TEXT_COMPLETION, s.GENERATE_CONTENT})
_EMBEDDINGS: Final = frozenset({s.EMBEDDINGS})
_HOSTED: Final = frozenset({INFERENCE, COUNTED})
# The code that opens an inference of util-genai measures it; its stream wrappers measure chunks.
_OF_UTIL_GENAI: Final = frozenset(
    {s.METRIC_TOKEN_USAGE, s.METRIC_DURATION, s.METRIC_FIRST_CHUNK, s.METRIC_CHUNK}
)
_NONE: Final[frozenset[str]] = frozenset()
# The keys are scopes of frameworks' spans; the values are those of our metric names that the
# framework records itself: recording them again would double them. tests/frameworks compares them
# series by series; the frameworks that are not named here (strands.telemetry.tracer,
# opentelemetry.instrumentation.ag2, semantic_kernel...) record none.
RECORDED_BY: Final[Mapping[str, frozenset[str]]] = {
    "pydantic-ai": frozenset({s.METRIC_TOKEN_USAGE, s.METRIC_FIRST_CHUNK}),
}
# Only these attributes are added to a framework's span. The framework describes the request itself,
# and decides what is an error: it may have another model answer.
_TOLD: Final = ("gen_ai.response.", "gen_ai.usage.", "mistral_ai.")
# pydantic-ai's FallbackModel names all its models until one has answered.
_FALLBACK: Final = "fallback:"
# Our own spans are no hosts, and neither are those of mistralai, which ours replace.
_NO_HOSTS: Final = frozenset({s.SCOPE, "mistralai_sdk_tracer"})
_SDK_MODULES: Final = "mistralai."


class Seat:
    """Holds the one place that a framework's span has for its own request.

    It must not refer to the span: it is the value of a weak dictionary whose key is the span, which
    would then never be freed.

    Attributes:
        used: whether a request had the place before; a second request is not adopted.
    """

    __slots__ = ("_free", "used")

    def __init__(self) -> None:
        # The list holds one item or none. list.pop() gives it to one thread only, without a lock.
        self._free = [True]
        self.used = False

    def take(self) -> bool:
        """Takes the place; returns False if a request of the framework runs or has answered."""
        try:
            return self._free.pop()
        except IndexError:
            return False

    def give_back(self) -> None:
        """Frees the place after the request failed: the next request is the framework's again."""
        self._free.append(True)


class Host(NamedTuple):
    """Describes the span or inference of another library that records a call in our place.

    Attributes:
        span: the framework's span, or the current one inside an inference of util-genai.
        recorded: names of the metrics that the host records itself.
        seat: the framework span's seat; None if the inference is util-genai's alone.
        adopts: whether the call gets no span of its own.
        data: util-genai's ``InferenceData`` or ``EmbeddingData``, if there is one.
        tells_usage: whether ``data`` gets the tokens, which its owner then counts.
    """

    span: Span
    recorded: frozenset[str]
    seat: Seat | None = None
    adopts: bool = True
    data: Any = None
    tells_usage: bool = True

    def tell(
        self, request: Mapping[str, AttributeValue], response: Mapping[str, AttributeValue]
    ) -> None:
        """Hands the attributes of a call's request and response over to the host."""
        if self.data is not None:
            _publish({**request, **response}, self.data, usage=self.tells_usage)
        if (self.data is None or self.seat is not None) and self.span.is_recording():
            said: Any = getattr(self.span, "attributes", None) or {}
            new = {k: v for k, v in response.items() if k.startswith(_TOLD) and k not in said}
            self.span.set_attributes(new)


_seats: Final[WeakKeyDictionary[Span, Seat]] = WeakKeyDictionary()


def find_host(context: Context, request: Request, telemetry: object) -> Host | None:
    """Finds the host of a call that is made in this context; returns None without one.

    Args:
        context: the caller's context.
        request: the call's; only inferences and embeddings have a host, moderation has none.
        telemetry: its attribute ``adopts`` says whether the user wants calls to have hosts.
    """
    if not context or request.measured not in _HOSTED or not getattr(telemetry, "adopts", True):
        return None
    try:
        return _find(context, request)
    except Exception as exc:  # noqa: BLE001 -- the call gets a span of its own instead
        _log.report("look for a host", exc)
        return None


def _find(context: Context, request: Request) -> Host | None:
    embeddings = request.operation == s.EMBEDDINGS
    data: Any = context.get(_EMBEDDINGS_DATA if embeddings else _INFERENCE_DATA)
    span: Any = context.get(SPAN)
    if data is not None:
        span = INVALID_SPAN if span is None else span
        return _inside(data, span, _EMBEDDINGS if embeddings else _INFERENCES, request)
    if span is None or not span.is_recording():
        return None
    attributes: Any = getattr(span, "attributes", None)
    operations = _EMBEDDINGS if embeddings else _INFERENCES
    if attributes is None or attributes.get(s.OPERATION_NAME) not in operations:
        return None
    scope = _scope_of(span)
    if scope in _NO_HOSTS or scope.startswith(_SDK_MODULES):
        return None
    return _framework(span, attributes, request, RECORDED_BY.get(scope, _NONE))


def _inside(data: Any, span: Span, operations: frozenset[str], request: Request) -> Host | None:
    """Finds the host inside an inference of util-genai; the current span is mostly its owner's."""
    attributes: Any = getattr(span, "attributes", None) or {}
    host = None
    if attributes.get(s.OPERATION_NAME) in operations:
        # A task that outlives the inference still has it in its context, but facts put there now
        # would be lost.
        if getattr(span, "end_time", None) is not None:
            return None
        # A framework that counts tokens may run inside another library's inference: it keeps its
        # counts, and the owner of the inference gets everything else.
        recorded = RECORDED_BY.get(_scope_of(span))
        if recorded is not None and span.is_recording():
            host = _framework(span, attributes, request, recorded)
    if host is None:
        return Host(span, _OF_UTIL_GENAI, data=data)
    tells_usage = s.METRIC_TOKEN_USAGE not in host.recorded
    recorded = host.recorded | _OF_UTIL_GENAI
    return Host(span, recorded, host.seat, data=data, tells_usage=tells_usage)


def _framework(
    span: Span, attributes: Mapping[str, Any], request: Request, recorded: frozenset[str]
) -> Host | None:
    asked = attributes.get(s.REQUEST_MODEL)
    is_same = asked is None or asked == request.model
    if not is_same and not _is_among(asked, request.model):
        return None
    # `setdefault` is one dict operation: two threads get the same seat.
    seat = _seats.get(span) or _seats.setdefault(span, Seat())
    if not seat.take():
        return None
    adopts, seat.used = is_same and not seat.used, True
    return Host(span, recorded, seat, adopts)


def _publish(known: Mapping[str, AttributeValue], data: Any, *, usage: bool) -> None:
    """Puts a call's attributes into util-genai's data, as its own inner inferences do.

    The data's fields are named after the attributes (``gen_ai.usage.input_tokens`` is
    ``usage_input_tokens``). An attribute without a field goes to the attributes that the owner adds
    to span and event. The owner's own values win in any case.
    """
    others: Any = getattr(data, "attributes", None)
    for key, value in known.items():
        field = key.removeprefix("gen_ai.").replace(".", "_")
        if not usage and ".usage." in key:
            continue
        if hasattr(data, field):
            setattr(data, field, value)
        elif isinstance(others, dict):
            others[key] = value


def _is_among(asked: Any, model: str | None) -> bool:
    """Returns whether a request for this model may belong to a fallback's span."""
    return model is not None and isinstance(asked, str) and asked.startswith(_FALLBACK) and (
        model in asked
    )  # fmt: skip


def _scope_of(span: Any) -> str:
    return str(getattr(getattr(span, "instrumentation_scope", None), "name", ""))
