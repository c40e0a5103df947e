# SPDX-License-Identifier: Apache-2.0
"""Finds the span, or the inference, of somebody else that a call is made inside of.

A framework that records each of its requests as an inference span, and opentelemetry-util-genai's
``TelemetryHandler().inference(...)``, already tell of the request that the SDK is about to make. A
second span for it would double the tokens, and the price, of everybody who sums over spans. So the
call gets a `Host`, and its facts go there.

* A framework's span adopts one call: the first that asks for its model. Which call that is has to
  be remembered for each span, and must not keep the span alive.
* The framework counts the tokens of the request that answered. When its first request failed, the
  next one (a retry, another model) is still the framework's, and so are its counts. What is called
  while a request of the framework's is under way, or after it has answered, is the user's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span

from .. import _log
from .. import _names as s
from .._reading.requests import TIMED
from .context import SPAN

if TYPE_CHECKING:
    from .._reading.requests import Request
    from .._reading.settings import AttributeValue

# get_current_span() takes ten times as long as a look into the context, and most calls are made
# where there is nothing to be found.
# util-genai's keys are fixed strings, so it need not be imported to find what it has left there.
_INFERENCE_DATA: Final = "opentelemetry.genai.client.inference.context"
_EMBEDDINGS_DATA: Final = "opentelemetry.genai.client.embedding.context"
_INFERENCES: Final = frozenset({s.CHAT, s.TEXT_COMPLETION, s.GENERATE_CONTENT})
_EMBEDDINGS: Final = frozenset({s.EMBEDDINGS})
# Whoever opens an inference of util-genai measures it; with its stream wrappers, each chunk too.
_OF_UTIL_GENAI: Final = frozenset(
    {s.METRIC_TOKEN_USAGE, s.METRIC_DURATION, s.METRIC_FIRST_CHUNK, s.METRIC_CHUNK}
)
_NONE: Final[frozenset[str]] = frozenset()
# By the scope of a framework's spans: the metrics that we share a name with and that it records
# itself. tests/frameworks compares them series by series; the frameworks that are not named here
# (strands.telemetry.tracer, opentelemetry.instrumentation.ag2, semantic_kernel...) record none.
RECORDED_BY: Final[Mapping[str, frozenset[str]]] = {
    "pydantic-ai": frozenset({s.METRIC_TOKEN_USAGE, s.METRIC_FIRST_CHUNK}),
}
# What a framework's span may be told. The request is the framework's to describe, and an error is
# its to judge: it may have another model answer.
_TOLD: Final = ("gen_ai.response.", "gen_ai.usage.", "mistral_ai.")
# pydantic-ai's FallbackModel names all its models until one has answered.
_FALLBACK: Final = "fallback:"
# Ours, and those of mistralai itself, whose spans are replaced and not joined.
_NO_HOSTS: Final = frozenset({s.SCOPE, "mistralai_sdk_tracer"})
_SDK_MODULES: Final = "mistralai."


class Seat:
    """The place that a framework's span has for its own request.

    It refers to no span: it is kept as the value of a weak dictionary whose key is the span.
    """

    __slots__ = ("_free", "used")

    def __init__(self) -> None:
        # One item, or none. list.pop() gives it to one thread only, so that no lock is needed.
        self._free = [True]
        self.used = False

    def take(self) -> bool:
        """Whether no request of the framework's is under way or has answered."""
        try:
            return self._free.pop()
        except IndexError:
            return False

    def give_back(self) -> None:
        """The request failed; the next one is the framework's again."""
        self._free.append(True)


class Host(NamedTuple):
    """Who tells of a call in our place.

    Attributes:
        span: the framework's span, or the current one inside an inference of util-genai.
        recorded: names of the metrics that the host records itself.
        seat: that of a framework's span; None if the inference is util-genai's alone.
        adopts: whether the call gets no span of its own.
        data: util-genai's ``InferenceData`` or ``EmbeddingData``, if there is one.
        tells_usage: whether ``data`` is to have the tokens, which its owner then counts.
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
        """Hands the facts of a call over: what is known of its request, and of its response."""
        if self.data is not None:
            _publish({**request, **response}, self.data, usage=self.tells_usage)
        if (self.data is None or self.seat is not None) and self.span.is_recording():
            said: Any = getattr(self.span, "attributes", None) or {}
            new = {k: v for k, v in response.items() if k.startswith(_TOLD) and k not in said}
            self.span.set_attributes(new)


_seats: Final[WeakKeyDictionary[Span, Seat]] = WeakKeyDictionary()


def find_host(context: Context, request: Request, telemetry: object) -> Host | None:
    """Finds who already tells of a call that is made in this context; None: nobody.

    Args:
        context: the caller's.
        request: of an inference or of embeddings; moderation and the like never have a host.
        telemetry: its attribute ``adopts`` says whether the user wants calls to have hosts.
    """
    if not context or request.measured == TIMED or not getattr(telemetry, "adopts", True):
        return None
    try:
        return _find(context, request)
    except Exception as exc:  # noqa: BLE001 -- somebody's span; the call gets one of its own
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
    """Inside an inference of util-genai, where the current span nearly always is its owner's."""
    attributes: Any = getattr(span, "attributes", None) or {}
    host = None
    if attributes.get(s.OPERATION_NAME) in operations:
        # A task that outlives the inference still has it in its context. Nobody reads it any more.
        if getattr(span, "end_time", None) is not None:
            return None
        # A framework that is known to count, inside the inference of somebody else: its counts stay
        # its own, the owner of the inference gets all but these.
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
    # One dict operation: of two threads both get the same seat.
    seat = _seats.get(span) or _seats.setdefault(span, Seat())
    if not seat.take():
        return None
    adopts, seat.used = is_same and not seat.used, True
    return Host(span, recorded, seat, adopts)


def _publish(known: Mapping[str, AttributeValue], data: Any, *, usage: bool) -> None:
    """Puts what is known of a call into util-genai's data, as its own inner inferences do.

    Its fields are named after the attributes (``gen_ai.usage.input_tokens`` is
    ``usage_input_tokens``). What it has no field for goes to the attributes that its owner adds to
    span and event. The owner's own values win in any case.
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
    """Whether a request for this model may be one of a fallback's."""
    return model is not None and isinstance(asked, str) and asked.startswith(_FALLBACK) and (
        model in asked
    )  # fmt: skip


def _scope_of(span: Any) -> str:
    return str(getattr(getattr(span, "instrumentation_scope", None), "name", ""))
