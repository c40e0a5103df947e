# SPDX-License-Identifier: Apache-2.0
"""Reads which guardrails a request has, what they decided, and which tools the user confirmed.

Only names and verdicts are read, and only words: what a guardrail says of a text repeats the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .. import _names as s
from .errors import is_word
from .fields import AttributeValue, fields_of, items_of, name_of

_MAX_NAMES: Final = 32
_MAX_CONFIRMATIONS: Final = 128
# The SDK leaves a guardrail in a response as the API sent it, and documents no field of it.
_NAMES: Final = ("name", "guardrail", "type")
_VERDICTS: Final = ("verdict", "action", "decision", "result", "status")
_FLAGS: Final = ("blocked", "flagged", "triggered", "passed")
_ANSWERS: Final = {"allow": "allowed", "deny": "denied"}


def guardrail_names(configured: object) -> list[str] | None:
    """Returns the names of the guardrails that a request asks for."""
    names: list[str] = []
    for each in items_of(configured)[:_MAX_NAMES]:
        names += [name for name, value in fields_of(each).items() if _is_config(name, value)]
    return list(dict.fromkeys(names))[:_MAX_NAMES] or None


def verdicts_of(guardrails: object) -> dict[str, AttributeValue]:
    """Returns what the guardrails decided, by span attribute.

    Args:
        guardrails: those of a response, as the API sent them.

    Returns:
        For each name a verdict; different verdicts of one name are joined by commas.
    """
    found: dict[str, list[str]] = {}
    for each in items_of(guardrails)[:_MAX_NAMES]:
        fields = fields_of(each)
        name = _word_in(fields, _NAMES)
        if name is None:
            # As in a request, the name may be the key of what is said of it.
            name = next((key for key, value in fields.items() if _is_config(key, value)), None)
            fields = fields_of(fields.get(name or ""))
        verdict = _word_in(fields, _VERDICTS) or _flag_in(fields) or s.OTHER
        if name is not None and verdict not in (verdicts := found.setdefault(name, [])):
            verdicts.append(verdict)
    return {s.GUARDRAILS + name: ",".join(verdicts) for name, verdicts in found.items()}


def confirmations_of(confirmed: object) -> dict[str, str]:
    """Returns ``allowed`` or ``denied`` for the id of each tool call that the user answered."""
    answers: dict[str, str] = {}
    for each in items_of(confirmed)[:_MAX_CONFIRMATIONS]:
        fields = fields_of(each)
        call_id, answer = name_of(fields.get("tool_call_id")), name_of(fields.get("confirmation"))
        if call_id is not None and answer in _ANSWERS:
            answers[call_id] = _ANSWERS[answer]
    return answers


def _is_config(name: object, value: Any) -> bool:
    return isinstance(name, str) and is_word(name) and bool(
        isinstance(value, dict) or fields_of(value)
    )  # fmt: skip


def _word_in(fields: Mapping[str, object], names: tuple[str, ...]) -> str | None:
    known = (fields.get(name) for name in names)
    return next((word for word in known if isinstance(word, str) and is_word(word)), None)


def _flag_in(fields: Mapping[str, object]) -> str | None:
    """Returns ``blocked`` for a true ``blocked``, ``not_blocked`` for a false one."""
    for name in _FLAGS:
        if isinstance(flag := fields.get(name), bool):
            return name if flag else f"not_{name}"
    return None
