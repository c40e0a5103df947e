# SPDX-License-Identifier: Apache-2.0
"""``redact`` sees a text and not its encoding: what it removes is in no signal, however spelled."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opentelemetry.instrumentation.genai.mistralai._content.cleaning import unescaped
from opentelemetry.instrumentation.genai.mistralai._content.exceptions import describe
from opentelemetry.instrumentation.genai.mistralai._content.messages import (
    completion_content,
    conversation_content,
    parts_of_items,
)
from opentelemetry.instrumentation.genai.mistralai._content.mode import Content, cleaner, to_json
from opentelemetry.instrumentation.genai.mistralai._content.structure import as_text, structure
from opentelemetry.instrumentation.genai.mistralai._content.transcript import Transcript
from opentelemetry.instrumentation.genai.mistralai._reading.errors import (
    Failure,
    failure_of_event,
)
from tests.support import names as s
from tests.support.fakes import PACKAGE
from tests.support.spellings import (
    ESCAPES,
    SECRET,
    STRUCTURES,
    TEXTS,
    VALUES,
    escaped,
    hide,
    reveals,
)

CLEAN = cleaner(hide)
PROPERTY = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{PACKAGE}._log._reported", set[tuple[str, str]]())


def shown(content: Content, output: list[Any]) -> str:
    """All that is recorded: as on a span, and as in a log event."""
    said = content.structures([(output, "stop")], {})
    return "\n".join([*map(to_json, said.values()), repr(said)])


# The property


@PROPERTY
@given(value=VALUES)
def test_nothing_that_redact_removes_is_in_a_structure_or_a_text(value: Any) -> None:
    recorded = structure(value, CLEAN)
    assert not reveals(to_json(recorded))
    assert not reveals(repr(recorded))
    assert not reveals(CLEAN(as_text(value)) or "")


ENTRIES = st.one_of(
    st.fixed_dictionaries({"role": TEXTS, "content": TEXTS}),
    st.fixed_dictionaries({"tool_call_id": TEXTS, "result": VALUES}),
    st.fixed_dictionaries({"role": st.just("tool"), "tool_call_id": TEXTS, "content": VALUES}),
    st.fixed_dictionaries({"tool_call_id": TEXTS, "name": TEXTS, "arguments": VALUES}),
    st.fixed_dictionaries({"id": TEXTS, "name": TEXTS, "arguments": VALUES, "info": VALUES}),
    st.fixed_dictionaries({"type": st.just("reasoning"), "summary": st.lists(
        st.fixed_dictionaries({"text": TEXTS}), max_size=2)}),
)  # fmt: skip
CHUNKS = st.one_of(
    st.fixed_dictionaries({"text": TEXTS}),
    st.fixed_dictionaries({"thinking": st.lists(st.fixed_dictionaries({"text": TEXTS}))}),
    st.fixed_dictionaries({"image_url": TEXTS}),
    st.fixed_dictionaries({"image_url": TEXTS.map(lambda text: f"data:{text};base64,AAAA")}),
    st.fixed_dictionaries({"document_url": TEXTS.map(lambda text: f"https://a.example/{text}")}),
    st.fixed_dictionaries({"file_id": TEXTS, "file_type": TEXTS}),
    st.fixed_dictionaries({"type": TEXTS, "tool": TEXTS, "title": TEXTS, "url": TEXTS}),
)
CALLS: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"id": TEXTS, "function": st.fixed_dictionaries({"name": TEXTS, "arguments": VALUES})}
)


@PROPERTY
@given(
    entries=st.lists(ENTRIES, max_size=3),
    chunks=st.lists(CHUNKS, max_size=3),
    calls=st.lists(CALLS, max_size=2),
    text=TEXTS,
)
def test_nothing_that_redact_removes_is_in_what_was_asked(
    entries: list[Any], chunks: list[Any], calls: list[Any], text: str
) -> None:
    message = {"role": text, "content": chunks, "tool_calls": calls}
    tools = [{"type": text, "name": text}, {"function": {"name": text}}]
    asked: dict[str, Any] = {"instructions": text, "tools": tools}
    conversation = conversation_content({**asked, "inputs": [*entries, message]}, CLEAN)
    completion = completion_content(
        {**asked, "messages": [message], "prompt": text, "suffix": text, "input": entries}, CLEAN
    )
    assert not reveals(shown(conversation, []))
    assert not reveals(shown(completion, []))


@PROPERTY
@given(
    chunks=st.lists(CHUNKS, max_size=3),
    calls=st.lists(CALLS, max_size=2),
    items=st.lists(ENTRIES, max_size=3),
    value=VALUES,
    text=TEXTS,
    cut=st.integers(0, 40),
)
def test_nothing_that_redact_removes_is_in_what_was_answered(
    chunks: list[Any], calls: list[Any], items: list[Any], value: Any, text: str, cut: int
) -> None:
    transcript = Transcript()
    for chunk in chunks:
        transcript.on_message({"id": text, "content": chunk})
    # A text and arguments in two pieces each.
    transcript.on_message({"id": "m", "content": text[:cut]})
    transcript.on_message({"id": "m", "content": text[cut:]})
    arguments = as_text(value)
    call = {"id": "fc_1", "name": text, "tool_call_id": text or "c"}
    transcript.on_call({**call, "arguments": arguments[:cut]})
    transcript.on_call({**call, "arguments": arguments[cut:]})
    transcript.on_call({"id": text, "name": text, "arguments": value, "info": value})
    transcript.on_completion({"content": text, "tool_calls": calls})
    transcript.on_completion({"role": "tool", "tool_call_id": text, "content": as_text(value)})
    parts = [*transcript.parts(CLEAN), *parts_of_items(items, CLEAN)]
    assert not reveals(shown(Content([], [], []), parts))
    assert not reveals("\n".join(transcript.tool_content(text, CLEAN).values()))


@PROPERTY
@given(value=VALUES, text=TEXTS, chained=st.booleans(), noted=st.booleans())
def test_nothing_that_redact_removes_is_in_a_described_exception(
    value: Any, text: str, *, chained: bool, noted: bool
) -> None:
    def fail() -> None:
        try:
            raise KeyError(text)
        except KeyError as first:
            second = RuntimeError(f"Status 400. Body: {as_text(value)}", text, value)
            if noted and sys.version_info >= (3, 11):
                second.add_note(text)
            raise second from (first if chained else None)

    with pytest.raises(RuntimeError) as raised:
        fail()
    described = describe(raised.value, CLEAN)
    assert described.keys() == {f"exception.{n}" for n in ("type", "message", "stacktrace")}
    assert not any(map(reveals, described.values()))
    told = describe(failure_of_event(500, as_text(value)), CLEAN)
    assert not any(map(reveals, told.values()))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups come with Python 3.11")
def test_a_group_indents_the_lines_of_a_message_and_hides_nothing_by_that() -> None:
    group: Any = vars(sys.modules["builtins"])["ExceptionGroup"]
    inner = group("inner", [ValueError(SECRET), KeyError(SECRET)])
    described = describe(group("outer", [inner, TypeError(SECRET)]), CLEAN)
    trace = described[s.EXCEPTION_STACKTRACE]
    lines = [line.strip(" |+-") for line in trace.splitlines()]
    assert not any(piece in line for piece in ("Zoë", "Z😀Z") for line in lines)
    assert trace.count("***") == 3


# What is kept


@pytest.mark.parametrize("names", [[name] for name in ESCAPES] + [["json", "ascii json"]])
def test_around_what_was_removed_all_is_kept(names: list[str]) -> None:
    spelled = escaped(SECRET, names)
    kept = CLEAN(f"before {spelled} after")
    assert kept == "before *** after"


def test_json_is_still_json_and_redact_sees_each_string_alone_as_it_was_written() -> None:
    seen: list[str] = []

    def redact(text: str) -> str:
        seen.append(text)
        return hide(text)

    inside = json.dumps({"deep": f"<{SECRET}>"})
    value = {SECRET: [1, True, None, 2.5, SECRET], "kept": "ë", "json": inside}
    recorded = structure(json.dumps(value), cleaner(redact))
    assert recorded == {
        "***": [1, True, None, 2.5, "***"], "kept": "ë", "json": '{"deep": "<***>"}',
    }  # fmt: skip
    assert {SECRET, "kept", "ë", "json", "deep", f"<{SECRET}>", "1", "2.5"} <= set(seen)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,  "b":"\\u00eb"}', "C:\\new\\table", 'say \\"hi\\"', "\\\\\\", '["\\/"]',
        '{"a": NaN}', '{"a": 1, "a": 2}', '{"a"', '"quoted"', "\\ud83d", "a\\", "{}", "",
    ],
)  # fmt: skip
def test_what_redact_does_not_change_stays_as_it_was_written(text: str) -> None:
    assert cleaner(hide)(text) == text
    assert structure(text, cleaner(hide)) == structure(text, cleaner(None))


@PROPERTY
@given(value=STRUCTURES)
def test_a_redact_that_removes_nothing_changes_nothing(value: Any) -> None:
    unchanged = cleaner(lambda text: text)
    for given_value in (value, as_text(value)):
        assert to_json(structure(given_value, unchanged)) == to_json(
            structure(given_value, cleaner(None))
        )


def test_a_number_is_shown_too_and_what_redact_changes_is_a_text() -> None:
    def redact(text: str) -> str:
        return text.replace("4111111111111111", "[card]")

    for value in ({"card": 4111111111111111, "n": 7}, '{"card": 4111111111111111, "n": 7}'):
        assert structure(value, cleaner(redact)) == {"card": "[card]", "n": 7}
    assert structure([4111111111111111.0], cleaner(redact)) == ["[card].0"]
    assert structure("[4111111111111111e0]", cleaner(redact)) == ["[card].0"]
    assert cleaner(redact)('[1, "4111111111111111"]') == '[1, "[card]"]'


def test_beside_a_number_that_json_lacks_a_text_is_still_redacted() -> None:
    value = json.dumps({"a": float("nan"), "b": SECRET})
    assert structure(value, CLEAN) == {"a": "NaN", "b": "***"}
    assert CLEAN(value) == '{"a": "NaN", "b": "***"}'


def test_names_that_become_one_lose_no_value() -> None:
    value = {"ann": 1, "bob": 2, "cid": 3, "x": 4}
    recorded = structure(value, cleaner(lambda text: "N" if len(text) == 3 else text))
    assert recorded == {"N": 1, "N 2": 2, "N 3": 3, "x": 4}


def test_a_redact_that_fails_for_one_string_drops_that_one() -> None:
    def redact(text: str) -> Any:
        if "raise" in text:
            raise ValueError(text)
        return None if "none" in text else text

    value = {"a": "raise", "b": ["none", "kept"], "raise": 1}
    assert structure(value, cleaner(redact)) == {"a": None, "b": [None, "kept"], "": 1}
    assert cleaner(redact)(json.dumps(value)) == '{"a": null, "b": [null, "kept"], "": 1}'
    assert cleaner(redact)('"raise"') is None
    # Escaped, and no JSON: there is no smaller text to drop.
    assert cleaner(redact)("kept, r\\u0061ise") is None


def test_a_pattern_of_a_name_with_its_value_still_matches() -> None:
    def redact(text: str) -> str:
        return text.replace('"password": "x"', '"password": "***"')

    assert structure('{"password":"x"}', cleaner(redact)) == {"password": "***"}


@pytest.mark.parametrize(
    "url", ["https://a.example/?q=Zo%C3%AB%20%22M%5C%C3%BCller%22%2F%0AZ%F0%9F%98%80Z", SECRET]
)
def test_of_a_url_redact_sees_what_its_percents_stand_for(url: str) -> None:
    message = {"role": "user", "content": [{"image_url": f"https://b.example/{url}"}, {"url": url}]}
    recorded = shown(conversation_content({"inputs": [message]}, CLEAN), [])
    assert "***" in recorded
    assert not reveals(recorded)
    assert "%C3%AB" not in recorded


def test_a_url_that_hides_nothing_stays_as_it_is() -> None:
    content = [{"image_url": "https://a.example/%C3%AB%20?b=%2F"}]
    asked = conversation_content({"inputs": [{"role": "user", "content": content}]}, CLEAN)
    assert content[0]["image_url"] in shown(asked, [])


# Bounds


def test_json_that_is_long_deep_or_ambiguous_is_shown_whole_and_unescaped() -> None:
    spelled = json.dumps(SECRET)
    many = "[" + ",".join(map(str, range(9_000))) + f",{spelled}]"
    deep = "[" * 60 + spelled + "]" * 60
    huge = "[" + spelled + "," + " " * 300_000 + "1]"
    twice = f'{{"a": {spelled}, "a": 1}}'
    cut_off = f'{{"a": {spelled}, "b": "c'
    for value in (many, deep, huge, twice, cut_off):
        cleaned = CLEAN(value) or ""
        assert ("***" in cleaned, reveals(cleaned)) == (True, False)
        assert not reveals(to_json(structure(value, CLEAN)))


def test_behind_what_is_unescaped_of_a_long_text_nothing_is_recorded() -> None:
    spelled = json.dumps(SECRET)[1:-1]
    for filler in ("a", "\\n"):
        for before in (0, 10, 65_530, 131_060, 131_072, 200_000):
            text = filler * (before // len(filler)) + spelled + "b" * 200_000 + spelled
            assert not reveals(CLEAN(text) or "")


def test_what_redact_shrinks_draws_nothing_in_that_it_was_shown_in_half() -> None:
    def redact(text: str) -> str:
        return hide(text.replace("é" * 1_000, ""))

    spelled = json.dumps(SECRET)[1:-1]
    for before in range(11_000, 11_072, 5):
        text = "\\u00e9" * 20_000 + "b" * before + spelled * 2
        recorded = cleaner(redact)(text) or ""
        assert recorded.endswith("…[cut]")
        assert "Zo" not in recorded


def test_backslashes_without_end_are_undone_in_few_steps() -> None:
    calls: list[int] = []

    def redact(text: str) -> str:
        calls.append(len(text))
        return text

    recorded = cleaner(redact)("\\" * 1_000_000) or ""
    assert recorded.endswith("…[cut]")
    assert len(calls) <= 20
    assert max(calls[1:]) <= 131_072


@pytest.mark.parametrize(
    ("spelled", "plain"),
    [
        ("\\\\n", "\\n"), ("\\\\\\n", "\\\n"), ("\\u005cn", "\\n"), ("\\x5cn", "\\n"),
        ("\\ud83d\\ude00", "😀"), ("\\xf0\\x9f\\x98\\x80", "😀"), ("\\xeb", "ë"),
        ("\\xc3\\xab", "ë"),
        ("\\U0001f600", "😀"), ("\\U00110000", "\\U00110000"), ("\\u12", "\\u12"), ("\\q", "\\q"),
        ("\\ud83d", "?"), ("\\", "\\"), ("\\/\\'\\\"\\b\\f", "/'\"\b\f"), ("\ufdd0\\n", "?\n"),
    ],
)  # fmt: skip
def test_one_level_of_escapes_is_undone(spelled: str, plain: str) -> None:
    assert unescaped(spelled) == plain


def test_an_error_event_without_a_message_or_capture_is_not_described() -> None:
    for message in (None, "", 7, {"a": 1}):
        assert describe(failure_of_event(500, message), CLEAN) == {}
    assert describe(failure_of_event(500, "words"), None) == {}
    assert describe(failure_of_event(500, "words"), CLEAN) == {s.EXCEPTION_MESSAGE: "words"}
    assert describe(Failure("500", exception=ValueError("words")), CLEAN)[s.EXCEPTION_TYPE] == (
        "ValueError"
    )
