# SPDX-License-Identifier: Apache-2.0
"""The settings of a request, as the conventions name them: temperature, limits, formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, cast

from . import _semconv as s
from ._fields import fields_of, text

AttributeValue = str | bool | int | float | list[str]


def describe_settings(source: object, attributes: dict[str, AttributeValue]) -> None:
    """Adds each setting that a request has and that has the type it should have.

    Args:
        source: the keyword arguments of a call, or its ``completion_args``, typed or a dict.
        attributes: where they go.
    """
    for name, value in fields_of(source).items():
        known = _SETTINGS.get(name)
        if known is not None and (setting := known[1](value)) is not None:
            attributes[known[0]] = setting


def _number(value: object) -> float | None:
    if isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) <= _MAX_INTEGER else None
    return value if isinstance(value, float) else None


def _integer(value: object) -> int | None:
    return value if type(value) is int and abs(value) <= _MAX_INTEGER else None


def _texts(value: object) -> list[str] | None:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        return None
    return [item for item in map(text, cast("list[object]", value)) if item]


def _output_type(response_format: object) -> str | None:
    kind = fields_of(response_format).get("type")
    return _OUTPUT_TYPES.get(kind) if isinstance(kind, str) else None


# What OTLP can carry; one larger number, and the exporter drops the whole batch.
_MAX_INTEGER: Final = 2**63 - 1
_OUTPUT_TYPES: Final = {"text": "text", "json_object": "json", "json_schema": "json"}


def _count_of_choices(value: object) -> int | None:
    return None if value == 1 else _integer(value)


def _effort(reasoning: object) -> str | None:
    return text(fields_of(reasoning).get("effort"))


def _format_of_text(config: object) -> str | None:
    fields = fields_of(config)
    return _output_type(fields.get("format") or fields.get("format_"))


_Convert = Callable[[object], AttributeValue | None]
_SETTINGS: Final[Mapping[str, tuple[str, _Convert]]] = {
    "temperature": (s.REQUEST_TEMPERATURE, _number),
    "top_p": (s.REQUEST_TOP_P, _number),
    "max_tokens": (s.REQUEST_MAX_TOKENS, _integer),
    "frequency_penalty": (s.REQUEST_FREQUENCY_PENALTY, _number),
    "presence_penalty": (s.REQUEST_PRESENCE_PENALTY, _number),
    "stop": (s.REQUEST_STOP_SEQUENCES, _texts),
    "random_seed": (s.REQUEST_SEED, _integer),
    "reasoning_effort": (s.REQUEST_REASONING_LEVEL, text),
    "response_format": (s.OUTPUT_TYPE, _output_type),
    "n": (s.REQUEST_CHOICE_COUNT, _count_of_choices),
    "output_dimension": (s.EMBEDDINGS_DIMENSIONS, _integer),
    "encoding_format": (s.REQUEST_ENCODING_FORMATS, _texts),
    "max_output_tokens": (s.REQUEST_MAX_TOKENS, _integer),
    "previous_response_id": (s.REQUEST_PREVIOUS_RESPONSE, text),
    "reasoning": (s.REQUEST_REASONING_LEVEL, _effort),
    "text": (s.OUTPUT_TYPE, _format_of_text),
}
