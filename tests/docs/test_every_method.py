# SPDX-License-Identifier: Apache-2.0
"""Every public method of the newest SDK is recorded, or ``docs/coverage.md`` says why it is not.

What the document says is checked as far as the SDK's own code can tell. The scheduled CI job
``newest-sdk`` runs this file alone, with the newest release: what that brought is named here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
import wrapt

from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.support import sdk, surface
from tests.support.surface import Listed, Public, base, listed, public_methods

pytestmark = pytest.mark.skipif(sdk.VERSION < (3, 7), reason="the lists are of the newest SDK")
# Added to the table by somebody else at this time.
PENDING: Final = {
    "audio.realtime.connect",
    "audio.realtime_speech.connect",
}
CHANGES: Final = frozenset({"POST", "PUT", "PATCH"})


def document() -> str:
    return surface.DOCUMENT.read_text()


@pytest.fixture(scope="module")
def recorded() -> set[str]:
    """The methods that have a wrapper of ours while the plugin is on, by their dotted names."""
    instrument()
    try:
        return {name for name in public_methods() if _is_wrapped(name)}
    finally:
        uninstrument()


def _is_wrapped(name: str) -> bool:
    owner, own = public_methods()[name].owner, name.rpartition(".")[2]
    found: Any = next(vars(cls)[own] for cls in owner.__mro__ if own in vars(cls))
    return isinstance(found, wrapt.FunctionWrapper)


def wrong(name: str, method: Public, told: Listed, recorded: set[str]) -> Iterator[str]:
    """What a list says of a method, and is not so."""
    for claim in CLAIMS[told.kind]:
        said = claim(name, method, told, recorded)
        if said:
            yield f"{name} is on the list {told.kind!r}, but {said}"


Claim = Callable[[str, Public, Listed, set[str]], str]


def sends(*verbs: str | None) -> Claim:
    def claim(_name: str, method: Public, _told: Listed, _recorded: set[str]) -> str:
        return "" if method.verb in verbs else f"it sends {method.verb}"

    return claim


def generates_nothing(_name: str, method: Public, _told: Listed, _recorded: set[str]) -> str:
    if method.streams:
        return "it answers with a stream"
    return "its answer tells usage" if method.tells_usage else ""


def names_nobody(_name: str, method: Public, _told: Listed, _recorded: set[str]) -> str:
    return f"it takes {', '.join(sorted(method.asks))}" if method.asks else ""


def names_somebody(_name: str, method: Public, _told: Listed, _recorded: set[str]) -> str:
    return "" if method.asks else "it names nobody"


def has_a_reason(_name: str, _method: Public, told: Listed, _recorded: set[str]) -> str:
    return "" if len(told.reason) > 8 or told.kind == "calls" else "without a reason"


def is_a_stream(_name: str, method: Public, _told: Listed, _recorded: set[str]) -> str:
    return "" if method.streams and not method.tells_usage else "it is no such stream"


def calls_one_that_is_covered(name: str, method: Public, told: Listed, recorded: set[str]) -> str:
    own = told.reason.strip("`")
    target = f"{name.rpartition('.')[0]}.{own}"
    if not re.search(rf"self\.{own}(_async)?\(", method.source):
        return f"it does not call {own}"
    return "" if target in recorded | PENDING else f"{target} is not recorded"


def asks_nobody_covered(_name: str, method: Public, _told: Listed, recorded: set[str]) -> str:
    own = {name.rpartition(".")[2] for name in recorded}
    called = set(re.findall(r"self\.(?:\w+\.)?(\w+)\(", method.source)) & own
    return f"it calls {', '.join(sorted(called))}" if called else ""


# What each list of the document says of all that it has.
CLAIMS: Final[dict[str, list[Claim]]] = {
    "reads": [sends("GET"), generates_nothing],
    "deletes": [sends("DELETE"), generates_nothing],
    "keeps": [sends(*CHANGES), generates_nothing, names_nobody, has_a_reason],
    "names": [sends(*CHANGES), generates_nothing, names_somebody, has_a_reason],
    "calls": [sends(None), calls_one_that_is_covered],
    "local": [sends(None), generates_nothing, names_nobody, asks_nobody_covered, has_a_reason],
    "streams": [sends("GET"), is_a_stream],
    "elsewhere": [sends(None, *CHANGES), generates_nothing, has_a_reason],
    "later": [],
}


def faults(text: str, recorded: set[str]) -> list[str]:
    """What is wrong with the lists: methods in neither place, in both, or not the SDK's."""
    told, methods = listed(text), public_methods()
    found = [f"docs/coverage.md: the SDK has no {name}" for name in told if name not in methods]
    for name, method in methods.items():
        reason = told.get(base(name))
        if name in recorded:
            found += [f"docs/coverage.md lists {name}, which is recorded"] * (reason is not None)
        elif reason is not None:
            found += wrong(name, method, reason, recorded)
        elif base(name) not in PENDING:
            found.append(f"{name} is neither recorded nor in docs/coverage.md")
    return found


def test_every_public_method_is_recorded_or_has_a_reason_not_to_be(recorded: set[str]) -> None:
    assert faults(document(), recorded) == []


def test_what_is_pending_is_not_there_yet(recorded: set[str]) -> None:
    assert not recorded & PENDING


def test_the_walk_finds_what_only_a_property_leads_to() -> None:
    found = public_methods()
    assert {"chat.complete", "beta.conversations.run_async", "audio.realtime.connect"} <= set(found)
    assert len(found) >= 622


def test_the_document_says_how_many_there_are() -> None:
    if sdk.VERSION[:2] == (3, 7):
        assert f"leads to {len(public_methods())} public methods" in document()


def test_each_module_beside_the_client_is_told_of() -> None:
    assert surface.modules_told(document()) == surface.extras()


# Each of these must be seen: a list that is never wrong says nothing.


def test_a_method_that_a_release_brings_is_named(
    recorded: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    new = public_methods()["files.upload"]
    more = {**public_methods(), "files.read_aloud": new}
    monkeypatch.setattr(f"{__name__}.public_methods", lambda: more)
    assert faults(document(), recorded) == [
        "files.read_aloud is neither recorded nor in docs/coverage.md"
    ]


def test_a_method_that_is_gone_is_named(recorded: set[str]) -> None:
    text = document().replace("| `files` | `upload` |", "| `files` | `upload`, `send` |")
    assert faults(text, recorded) == ["docs/coverage.md: the SDK has no files.send"]


def test_a_row_that_is_lost_is_named_with_its_twin(recorded: set[str]) -> None:
    text = document().replace("| `files` | `delete` |\n", "")
    assert faults(text, recorded) == [
        "files.delete is neither recorded nor in docs/coverage.md",
        "files.delete_async is neither recorded nor in docs/coverage.md",
    ]


def test_a_method_that_is_recorded_and_listed_is_named(recorded: set[str]) -> None:
    text = document().replace(
        "| `files` | `delete` |\n", "| `files` | `delete` |\n| `ocr` | `process` |\n"
    )
    assert faults(text, recorded) == [
        "docs/coverage.md lists ocr.process, which is recorded",
        "docs/coverage.md lists ocr.process_async, which is recorded",
    ]


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("files.upload", "reads", "it sends POST"),
        ("files.list", "deletes", "it sends GET"),
        ("workflows.executions.stream", "reads", "it answers with a stream"),
        ("chat.complete", "keeps", "its answer tells usage"),
        ("beta.agents.update", "keeps", "it takes agent_id, model"),
        ("files.upload", "names", "it names nobody"),
        ("files.upload", "keeps", "without a reason"),
        ("ocr.process", "calls", "it sends POST"),
        ("chat.parse", "calls", "it does not call why"),
        ("workflows.wait_for_workflow_completion", "calls", "it does not call why"),
        ("chat.parse", "local", "it calls complete"),
        ("files.list", "streams", "it is no such stream"),
        ("files.list", "elsewhere", "it sends GET"),
    ],
)
def test_a_reason_that_does_not_hold_is_seen(
    recorded: set[str], name: str, kind: str, told: str
) -> None:
    found = [*wrong(name, public_methods()[name], Listed(kind, "why"), recorded)]
    assert f"{name} is on the list {kind!r}, but {told}" in found


def test_a_method_that_is_listed_twice_is_refused() -> None:
    row = "| `files` | `delete` |\n"
    with pytest.raises(ValueError, match=r"files\.delete twice"):
        listed(document().replace(row, row * 2))
