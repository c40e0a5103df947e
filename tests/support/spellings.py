# SPDX-License-Identifier: Apache-2.0
"""A secret in all its spellings: how it is escaped, and how it is found again wherever it is.

The secret has what encodings change: a quote, a backslash, a line break, a slash, letters beyond
ASCII and beyond 16 bits. What undoes escapes here is not what the plugin uses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from hypothesis import strategies as st

SECRET: Final = 'Zoë "M\\üller"/\nZ😀Z'  # noqa: S105 -- of a test
_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_SHORT: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def _all_escaped(text: str) -> str:
    units = text.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02X}" for at in range(0, len(units), 2))


# Each as it stands inside quotes; those that reach a text unquoted are as good as any.
ESCAPES: Final[dict[str, Callable[[str], str]]] = {
    "json": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "ascii json": lambda text: json.dumps(text)[1:-1],
    "json of PHP": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "all of it": _all_escaped,
    "repr": lambda text: repr(text)[1:-1],
    "ascii": lambda text: ascii(text)[1:-1],
    "bytes": lambda text: repr(text.encode())[2:-1],
}


def hide(text: str) -> str:
    """A ``redact`` that removes the secret."""
    return text.replace(SECRET, "***")


def _undone(escape: re.Match[str]) -> str:
    found = escape[0]
    if len(found) > 2:
        return chr(int(found[2:], 16))
    return _SHORT.get(found[1], found[1] if found[1] in "\"'\\/" else found)


def levels(text: str) -> Iterator[str]:
    """A text, and what is read when its escapes are undone, once, twice, as often as it can be."""
    for _ in range(30):
        yield text
        plain = _ESCAPE.sub(_undone, text)
        # Halves of a pair, and the bytes of UTF-8, belong together.
        plain = plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if plain == text:
            return
        text = plain


def reveals(text: str) -> bool:
    """Whether the secret can be read in a text, however it is escaped."""
    of_bytes = SECRET.encode().decode("latin-1")
    return any(SECRET in level or of_bytes in level for level in levels(text))


def escaped(text: str, names: list[str]) -> str:
    """A text as these escapes make it, one after the other."""
    for name in names:
        text = ESCAPES[name](text)
    return text


SPELLED: Final[st.SearchStrategy[str]] = st.lists(st.sampled_from(sorted(ESCAPES)), max_size=3).map(
    lambda names: escaped(SECRET, names)
)
AROUND: Final = st.text("ab \\\"'{}[]:,nu0/\n", max_size=6)
# Texts with the secret in any spelling, or without it.
TEXTS: Final[st.SearchStrategy[str]] = st.one_of(
    AROUND,
    st.just(SECRET),
    st.tuples(AROUND, SPELLED, AROUND).map("".join),
)
LEAVES: Final[st.SearchStrategy[Any]] = st.one_of(
    TEXTS, st.none(), st.booleans(), st.integers(), st.floats()
)
STRUCTURES: Final[st.SearchStrategy[Any]] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(TEXTS, inner, max_size=3),
        # JSON in a string in JSON.
        inner.map(json.dumps),
        inner.map(lambda value: json.dumps(value, ensure_ascii=False)),
    ),
    max_leaves=6,
)


def _broken(value: Any, at: int) -> str:
    """JSON that was cut, or is followed by more."""
    text = json.dumps(value)
    return text[: -1 - at] if at < len(text) else text + " and more"


# Whatever a server or a caller may send as arguments or a result.
VALUES: Final[st.SearchStrategy[Any]] = st.one_of(
    STRUCTURES,
    STRUCTURES.map(json.dumps),
    STRUCTURES.map(lambda value: json.dumps(value, ensure_ascii=False, indent=1)),
    st.builds(_broken, STRUCTURES, st.integers(0, 3)),
)
