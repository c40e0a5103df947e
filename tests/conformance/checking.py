# SPDX-License-Identifier: Apache-2.0
"""Holds what was recorded against the registry; each difference is a short sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from tests.conformance import registry as r
from tests.conformance.playing import Played, Seen

OURS: Final = "mistral_ai."
# Names that end with what a connector or a guardrail is called.
_NAMED: Final = re.compile(r"^(mistral_ai\.(?:usage\.connectors|guardrails)\.).+$")
# Values of ours where none of the conventions applies.
CUSTOM: Final[Mapping[str, frozenset[str]]] = {
    "gen_ai.operation.name": frozenset({"classification", "moderation", *r.OF_OURS}),
}
_SPANS: Final = {**r.SPANS, **r.OF_OURS}
_SESSIONS: Final = "audio.realtime"
# These say nothing of tokens.
_WITHOUT_TOKENS: Final = ("classifiers.", "ocr.", "beta.context.search_indexes.generate")
_TYPES: Final[Mapping[type[Any], str]] = {
    str: "string",
    int: "int",
    float: "double",
    bool: "boolean",
}
# Where the older names are recorded, an older metric stands for each of these.
_OLDER: Final = frozenset(
    name
    for name in r.METRICS.keys() - r.OLD_METRICS.keys()
    if name.startswith("gen_ai.client.") and ".usage." not in name
)
_ALL_METRICS: Final = {**r.METRICS, **r.OLD_METRICS}


def findings(played: Played, *, latest: bool) -> set[str]:
    """All differences.

    Args:
        played: what was recorded.
        latest: whether metrics have the newest names.
    """
    found: set[str] = set()
    for seen in played.spans:
        found.update(_of_span(seen))
    known = r.METRICS if latest else {**r.METRICS, **r.OLD_METRICS}
    for metric in played.metrics:
        if not metric.name.startswith(OURS):
            found.update(_of_metric(metric, known.get(metric.name)))
    found.update(_of_recordings(played, known))
    for log in played.logs:
        found.update(_of_event(log))
    for signal, scope in played.scopes.items():
        of_old = scope.schema_url == r.OLD_SCHEMA_URL
        url = r.OLD_VERSION if of_old else scope.schema_url or "nothing"
        found.add(f"scope of {signal}: its schema_url is of {url}")
    return found


def names_of_ours(played: Played) -> set[str]:
    """Each name of ours that was recorded; what is called by the API or the caller is {name}."""
    points = (point for metric in played.metrics for point in metric.data.data_points)
    found = {metric.name for metric in played.metrics}
    for holder in (*(seen.span for seen in played.spans), *points):
        found.update(holder.attributes or ())
    return {_NAMED.sub(r"\1{name}", name) for name in found if name.startswith(OURS)}


def type_of(span: Any) -> str | None:
    """The type of a span, by its kind and operation; None if the conventions have none such."""
    operation = span.attributes.get("gen_ai.operation.name")
    if operation in CUSTOM["gen_ai.operation.name"] and operation not in r.OF_OURS:
        operation = "generate_content"
    fit = {name: spec for name, spec in _SPANS.items() if operation in spec.operations}
    # Of one operation there may be two kinds; where there is one, the other is a deviation.
    of_kind = [name for name, spec in fit.items() if spec.kind == span.kind.name]
    return next(iter([*of_kind, *fit]), None)


def _of_span(seen: Seen) -> Iterator[str]:
    span, attributes = seen.span, seen.span.attributes or {}
    name = type_of(span)
    if name is None:
        yield f"span {span.name}: no such type"
        return
    spec = _SPANS[name]
    if span.kind.name != spec.kind:
        yield f"{name}: its kind is {span.kind.name}"
    for problem in (
        *_of_attributes(attributes, spec.levels),
        *_of_levels(seen, spec),
        *_of_name(seen, spec),
    ):
        yield f"{name}: {problem}"
    for key in sorted(spec.at_start & attributes.keys() - seen.at_start):
        yield f"{name}: sets {key} when it ends"


def _of_attributes(attributes: Mapping[str, Any], levels: r.Levels) -> Iterator[str]:
    for key, value in attributes.items():
        if key.startswith(OURS):
            continue
        if key not in levels:
            yield f"has {key}"
            continue
        yield from _of_value(key, value)


def _of_value(key: str, value: Any) -> Iterator[str]:
    kind = "string[]" if isinstance(value, tuple) else _TYPES[type(value)]
    # What is JSON in the conventions is a string on spans of this language.
    if kind != r.TYPES[key] and (r.TYPES[key], kind) != ("any", "string"):
        yield f"{key} is {kind}"
    if key in r.VALUES and value not in r.VALUES[key] | CUSTOM.get(key, frozenset()):
        yield f"{key} is {value!r}"


def _of_levels(seen: Seen, spec: r.Span) -> Iterator[str]:
    attributes = seen.span.attributes or {}
    for key, level in spec.levels.items():
        holds, there = _holds(level, seen), key in attributes
        if holds and not there:
            yield f"lacks {key}, though {level}" if level != r.REQUIRED else f"lacks {key}"
        if there and holds is False and level in r.EXACTLY:
            yield f"has {key}, though not {level}"
        if there and holds is False and level == r.MODEL:
            yield f"has {key}, though the request names none"
    # The first event of a conversation has its id.
    first = "gen_ai.response.time_to_first_chunk"
    if spec.kind == "CLIENT" and seen.streamed and seen.told and first not in attributes:
        yield f"lacks {first}, though an event came"


def _holds(level: str, seen: Seen) -> bool | None:
    """Whether a condition holds; None if that cannot be told."""
    asked, attributes = seen.asked, seen.span.attributes or {}
    given = {
        r.REQUIRED: True,
        r.ON_ERROR: seen.span.status.status_code.name == "ERROR",
        r.WITH_ADDRESS: "server.address" in attributes,
        r.CONVERSATION: seen.told,
    }
    of_request = {
        r.STREAMING: seen.streamed,
        r.CHOICES: asked.get("n", 1) != 1,
        r.SEED: "random_seed" in asked,
        r.FORMAT: "response_format" in asked,
        r.MODEL: isinstance(asked.get("model"), str),
        r.AGENT_ID: isinstance(asked.get("agent_id"), str),
        r.AGENT_VERSION: "agent_version" in asked,
        r.NAME_GIVEN: isinstance(asked.get("name"), str),
        r.DESCRIPTION_GIVEN: isinstance(asked.get("description"), str),
    }
    # A span inside a call has no request of its own.
    known = given | of_request if seen.span.kind.name == "CLIENT" else given
    return known.get(level)


def _of_name(seen: Seen, spec: r.Span) -> Iterator[str]:
    attributes = seen.span.attributes or {}
    operation, called = str(attributes["gen_ai.operation.name"]), attributes.get(spec.named)
    by_model = spec.named == "gen_ai.request.model"
    asked = seen.asked.get("model") if by_model else called
    expected = operation if asked is None else f"{operation} {asked}"
    if seen.span.name == expected:
        return
    if by_model and asked is None:
        yield "its name has a model that the request does not name"
    elif seen.span.name == operation:
        yield f"its name lacks {spec.named}"
    elif seen.span.name.startswith(f"{expected} "):
        yield f"its name has more than {spec.named}"
    else:
        yield f"its name is {seen.span.name!r}, not {expected!r}"


def _of_metric(metric: Any, spec: r.Metric | None) -> Iterator[str]:
    if spec is None:
        yield f"metric {metric.name}: no such metric"
        return
    if spec.version != r.VERSION:
        yield f"metric {metric.name}: of {spec.version}"
    instrument = r.COUNTER if hasattr(metric.data, "is_monotonic") else r.HISTOGRAM
    if (instrument, metric.unit) != (spec.instrument, spec.unit):
        yield f"metric {metric.name}: {instrument} of {metric.unit}"
    for point in metric.data.data_points:
        bounds = tuple(getattr(point, "explicit_bounds", ()))
        if bounds != spec.buckets:
            yield f"metric {metric.name}: its buckets are {bounds}"
        ours = [f"has {key}" for key in point.attributes if key.startswith(OURS)]
        for problem in (*ours, *_of_attributes(point.attributes, spec.levels)):
            yield f"metric {metric.name}: {problem}"
        for key, level in spec.levels.items():
            address = level == r.WITH_ADDRESS and "server.address" in point.attributes
            if (level == r.REQUIRED or address) and key not in point.attributes:
                yield f"metric {metric.name}: lacks {key}"


Key = frozenset[tuple[str, Any]]


def _key(attributes: Mapping[str, Any], levels: r.Levels) -> Key:
    # These two tell points apart that are of the same call.
    names = levels.keys() - {"gen_ai.token.modality", "gen_ai.token.type"}
    return frozenset((name, attributes[name]) for name in names if name in attributes)


def _measured(seen: Seen) -> dict[str, Any]:
    """A span's attributes as metrics have them, where no model comes from the response."""
    attributes = dict(seen.span.attributes or {})
    if seen.span.kind.name == "CLIENT":
        attributes.pop("gen_ai.request.model", None)
        if isinstance(seen.asked.get("model"), str):
            attributes["gen_ai.request.model"] = seen.asked["model"]
    return attributes


def _of_recordings(played: Played, known: Mapping[str, r.Metric]) -> Iterator[str]:
    """Which calls have a measurement: all that are to have one, and no others."""
    recorded = {metric.name: metric.data.data_points for metric in played.metrics}
    for name, spec in known.items():
        points = {_key(point.attributes, spec.levels) for point in recorded.get(name, ())}
        if known is not r.METRICS and name in _OLDER:
            if points:
                yield f"metric {name}: recorded beside the older one"
            continue
        of_spans: set[Key] = set()
        for seen in played.spans:
            key, kind = _key(_measured(seen), spec.levels), type_of(seen.span)
            if kind in spec.of:
                of_spans.add(key)
                if spec.recorded and key not in points:
                    yield f"metric {name}: not recorded for {_called(seen, spec.counts)}"
            elif key in points and "gen_ai.operation.name" in spec.levels:
                yield f"metric {name}: recorded for {_called(seen)}"
        yield from _of_streams(name, spec, points, played)
        if points - of_spans and not name.startswith("gen_ai.client."):
            yield f"metric {name}: recorded for what has no span"
    yield from _of_durations(played)


def _of_streams(name: str, spec: r.Metric, points: set[Key], played: Played) -> Iterator[str]:
    if not spec.streams_only:
        return
    first = "gen_ai.response.time_to_first_chunk"
    streams = {_key(_measured(seen), spec.levels) for seen in played.spans if seen.streamed}
    timed = {
        _key(_measured(seen), spec.levels)
        for seen in played.spans
        if first in (seen.span.attributes or {})
    }
    if points - streams:
        yield f"metric {name}: recorded for what is no stream"
    if name.endswith("first_chunk") and timed - points:
        yield f"metric {name}: not recorded for each stream"


def _called(seen: Seen, counts: str | None = None) -> str:
    """What a span is of; of a metric that counts, also whether the span has such a count."""
    attributes = seen.span.attributes or {}
    if seen.method.startswith(_WITHOUT_TOKENS):
        return "what says nothing of tokens"
    if seen.method.startswith(_SESSIONS):
        return "sessions"
    kind = type_of(seen.span) or seen.span.name
    if "gen_ai.transfer.mode" in attributes:
        return f"{kind} that hands over"
    if kind == "gen_ai.invoke_agent.internal" and seen.span.parent is not None:
        return f"{kind} on the server"
    if counts is not None and not attributes.get(counts):
        return f"{kind} without tokens"
    return kind


def _of_durations(played: Played) -> Iterator[str]:
    """A duration is its span's: of all calls together, in whichever metrics they are."""
    own = ("execute_tool", "invoke_workflow")
    parts: tuple[tuple[str, Callable[[Any], bool]], ...] = (
        ("gen_ai.client.", lambda span: span.kind.name == "CLIENT"
                                        and not span.name.startswith(own)),
        ("gen_ai.execute_tool.", lambda span: span.name.startswith(own[0])),
        ("gen_ai.invoke_workflow.", lambda span: span.name.startswith(own[1])),
    )  # fmt: skip
    for prefix, is_of in parts:
        timed = [
            point
            for metric in played.metrics
            if metric.name.startswith(prefix) and _ALL_METRICS[metric.name].whole_span
            for point in metric.data.data_points
        ]
        spans = [
            seen.span
            for seen in played.spans
            if is_of(seen.span)
            and not seen.method.startswith(_SESSIONS)
            # Handing over takes no time of a tool.
            and "gen_ai.transfer.mode" not in (seen.span.attributes or {})
        ]
        seconds = sum((span.end_time or 0) - (span.start_time or 0) for span in spans) / 1e9
        if len(spans) != sum(point.count for point in timed):
            yield f"durations {prefix}*: {len(spans)} spans are not measured once each"
        if abs(seconds - sum(point.sum for point in timed)) > 1e-3:
            yield f"durations {prefix}*: not those of the spans"


def _of_event(log: Any) -> Iterator[str]:
    if log.event_name not in r.EVENTS:
        yield f"event {log.event_name}: no such event"
    elif r.EVENTS[log.event_name] not in (None, log.severity_number.name):
        yield f"event {log.event_name}: its severity is {log.severity_number.name}"
