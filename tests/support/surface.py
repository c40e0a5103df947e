# SPDX-License-Identifier: Apache-2.0
"""Every public method that a client of this SDK leads to, and what ``docs/coverage.md`` says of it.

The walk follows every public attribute whose value is an object of the SDK, whatever its class:
properties, such as ``client.audio.realtime``, lead to parts that no base class has in common.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

from tests.support import sdk

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "coverage.md"
# What is generated for a model or an agent is asked for by one of these arguments.
ASKS: Final = frozenset({"model", "agent_id", "response_format", "run_ctx", "judge_id"})
# The generated classes send their requests with these two, which are public by their names only.
_PLUMBING: Final = frozenset({"do_request", "do_request_async"})
_STREAM: Final = re.compile(r"Stream(Async)?\[")
_REQUEST: Final = re.compile(r'_build_request(?:_async)?\(\s*method="(\w+)",\s*path="([^"]+)"')


class Public(NamedTuple):
    """A public method: where it is defined, and what it sends.

    Attributes:
        owner: the class that has it.
        function: the method as that class has it.
        verb: the HTTP method of its request; None if it sends none itself.
    """

    owner: type[Any]
    function: Callable[..., Any]
    verb: str | None

    @property
    def source(self) -> str:
        """The method's own code."""
        return inspect.getsource(self.function)

    @property
    def asks(self) -> frozenset[str]:
        """Its arguments that say who is to answer."""
        return ASKS & inspect.signature(self.function).parameters.keys()

    @property
    def streams(self) -> bool:
        """Whether it may answer with a stream."""
        return bool(_STREAM.search(str(inspect.signature(self.function).return_annotation)))

    @property
    def tells_usage(self) -> bool:
        """Whether its answer has a place for usage."""
        return _has_usage(inspect.signature(self.function).return_annotation, set())


def _has_usage(annotation: Any, seen: set[Any]) -> bool:
    fields: dict[str, Any] = getattr(annotation, "model_fields", {})
    if str(annotation) in seen:
        return False
    seen.add(str(annotation))
    parts = [*get_args(annotation), *(field.annotation for field in fields.values())]
    return not fields.keys().isdisjoint({"usage", "usage_info"}) or any(
        _has_usage(part, seen) for part in parts
    )


@cache
def public_methods() -> dict[str, Public]:
    """Every public method by its dotted name; the walk loads all of the SDK."""
    with sdk.Mistral(api_key="key") as client:
        parts = dict(_parts(client, ""))
    found: dict[str, Public] = {}
    for place, part in parts.items():
        for name, function in inspect.getmembers(part.__class__, inspect.isroutine):
            if not name.startswith("_") and name not in _PLUMBING:
                original = inspect.unwrap(function)
                sent = _REQUEST.search(inspect.getsource(original))
                dotted = f"{place}.{name}".lstrip(".")
                found[dotted] = Public(part.__class__, original, sent[1] if sent else None)
    return found


def _parts(client: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The client and all that it leads to, with dotted names; a part that is reached twice once."""
    seen: set[int] = set()
    waiting = [(name, client)]
    while waiting:
        place, part = waiting.pop(0)
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield place, part
        properties = (
            key for key, value in inspect.getmembers(part.__class__) if is_property(value)
        )
        names: list[str] = [*getattr(part, "_sub_sdk_map", ()), *vars(part), *properties]
        values = {
            key: getattr(part, key) for key in dict.fromkeys(names) if not key.startswith("_")
        }
        waiting += [
            (f"{place}.{key}".lstrip("."), value) for key, value in values.items() if is_part(value)
        ]


def is_property(value: object) -> bool:
    return isinstance(value, property)


def is_part(value: Any) -> bool:
    """Whether this is an object of the SDK that a user calls methods of; its settings are none."""
    cls: type[Any] = value.__class__
    return cls.__module__.startswith("mistralai.") and cls.__name__ != "SDKConfiguration"


def base(name: str) -> str:
    """The name of a sync method for its async twin, else the name itself."""
    sync = name.removesuffix("_async")
    return sync if sync in public_methods() else name


def extras() -> set[str]:
    """The modules of ``mistralai.extra``, which a user imports beside the client."""
    import mistralai.extra

    return {module.name for module in pkgutil.iter_modules(mistralai.extra.__path__)}


class Listed(NamedTuple):
    """What the document says of one method: on which list it is, and why it is there."""

    kind: str
    reason: str


def listed(text: str) -> dict[str, Listed]:
    """The methods that a document lists, by their dotted names.

    Args:
        text: Markdown, in which each list is a table: the part of the client, methods, the reason;
            a list whose reason is the same for all has no third column.

    Raises:
        ValueError: if the document has a method twice.
    """
    found: dict[str, Listed] = {}
    for kind, rows in re.findall(r"<!-- list: (\w+) -->\n(.*?)<!-- /list -->", text, re.DOTALL):
        for row in re.findall(r"^\| `.+ \|$", rows, re.MULTILINE):
            place, names, *reason = row.strip("| ").split(" | ")
            for name in re.findall(r"`(\w+)`", names):
                dotted = f"{place.strip('`')}.{name}".removeprefix("client.")
                if dotted in found:
                    raise ValueError(f"docs/coverage.md lists {dotted} twice")
                found[dotted] = Listed(kind, " ".join(reason))
    return found


def modules_told(text: str) -> set[str]:
    """The modules of ``mistralai.extra`` that a document names."""
    (table,) = re.findall(r"<!-- extra -->\n(.*?)<!-- /extra -->", text, re.DOTALL)
    return set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
