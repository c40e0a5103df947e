# SPDX-License-Identifier: Apache-2.0
"""What a text passes on its way into a signal: the user's ``redact``, and the bound of its length.

``redact`` is shown each text as a person wrote it. JSON escapes a quote, a line break, ``ë``; so
does Python in the message of an exception. A pattern does not match what is escaped, and whoever
reads the telemetry can undo it. So what is JSON is read, each string in it is shown alone, and it
is written again; anything else with a backslash in it is shown unescaped, too, level by level.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, cast

from .. import _log
from .structure import Clean, exportable, number_text, read_json, write_json

MAX_TEXT: Final = 65_536
CUT: Final = "…[cut]"

_JSON_LIKE: Final = re.compile(r'\s*[\[{"]')
# JSON in a string in JSON is read so often; what lies deeper is shown unescaped.
_MAX_NESTED: Final = 4
# How many strings and numbers of one JSON text are shown alone: each may cost a few µs.
_MAX_SHOWN: Final = 4_096
# How much of a text is unescaped. Of a longer one the last part may end inside a secret, and is not
# recorded once something was found.
_WINDOW: Final = 2 * MAX_TEXT
# Each level halves a run of backslashes, and the window has room for 17 levels.
_MAX_LEVELS: Final = 18

# Stands for a backslash that was escaped itself, while others are undone; no character of any text.
_HELD: Final = "\ufdd0"
_SHORT: Final = (
    ('\\"', '"'), ("\\n", "\n"), ("\\/", "/"), ("\\'", "'"), ("\\t", "\t"), ("\\r", "\r"),
    ("\\b", "\b"), ("\\f", "\f"),
)  # fmt: skip
_LONG: Final = re.compile(
    r"\\u([0-9a-fA-F]{4})|\\U(000[0-9a-fA-F]{5}|0010[0-9a-fA-F]{4})|((?:\\x[0-9a-fA-F]{2})+)"
)


def cut(text: str) -> str:
    """A text that can be exported, at most 64 KiB of it, visibly cut."""
    if text.isascii() and len(text) <= MAX_TEXT:
        return text
    # A character has one byte at least, so the rest need not be looked at.
    encoded = exportable(text[: MAX_TEXT + 1]).encode()
    if len(encoded) <= MAX_TEXT:
        return encoded.decode()
    return encoded[: MAX_TEXT - len(CUT.encode())].decode("utf-8", "ignore") + CUT


def clean_spellings(clean: Clean, text: str, other: str) -> str | None:
    """Cleans a text that has a second spelling: a URL without ``%``, a trace without its frame.

    Returns:
        What may be recorded of ``text``; or of ``other``, if ``redact`` finds something in that.
    """
    if other == text or not isinstance(clean, Redactor):
        return clean(text)
    return clean.spelled(text, other)


class Redactor:
    """Makes the user's ``redact`` safe to call: what it does wrong drops a text, not the call."""

    __slots__ = ("_redact", "_shorten")

    def __init__(
        self, redact: Callable[[str], object], shorten: Callable[[str], str] = cut
    ) -> None:
        self._redact = redact
        self._shorten = shorten

    def __call__(self, text: str) -> str | None:
        """What may be recorded of a text; None if nothing may."""
        cleaned = self.whole(exportable(text), 0)
        return None if cleaned is None else self._shorten(cleaned)

    def spelled(self, text: str, other: str) -> str | None:
        """What may be recorded of a text, which somebody may read in another spelling."""
        other = exportable(other)
        cleaned = self.whole(other, 0)
        if cleaned == other:
            return self(text)
        return None if cleaned is None else self._shorten(cleaned)

    def whole(self, text: str, nested: int) -> str | None:
        """What may be recorded of a text of any length, which is inside so many JSON strings."""
        read = False
        if nested < _MAX_NESTED and _JSON_LIKE.match(text):
            try:
                parsed = read_json(text, _unique)
                shown = _Strings(self, nested + 1).of(parsed)
                read = True
            except (ValueError, _TooManyError):
                # Cut, huge or deep: shown as it is, and unescaped.
                parsed = shown = None
            if read and shown is None:
                return None
            if shown != parsed:
                text = write_json(shown)
        # Also what was read: a pattern may match a name together with its value.
        redacted = self.shown(text)
        return redacted if redacted is None or read else self._unescaped(redacted)

    def shown(self, text: str) -> str | None:
        """What ``redact`` makes of a text; None if it fails, or returns no string."""
        try:
            redacted = self._redact(text)
        except Exception as exc:  # noqa: BLE001 -- the user's function must not fail the user's call
            _log.report("redact", exc)
            return None
        if isinstance(redacted, str):
            return exportable(redacted)
        _log.say_once("redact did not return a string; the text was dropped")
        return None

    def _unescaped(self, text: str) -> str | None:
        level = text[:_WINDOW]
        for _ in range(_MAX_LEVELS):
            if "\\" not in level or (plain := unescaped(level)) == level:
                break
            shown = self.shown(plain)
            if shown is None:
                return None
            if shown != plain:
                text = shown if len(text) <= _WINDOW else shown[:-MAX_TEXT] + CUT
            level = shown
        return text


def unescaped(text: str) -> str:
    r"""Undoes one level of the escapes of JSON and of Python: ``\"``, ``\n``, ``\u00eb``, ``\xeb``.

    No function is called for what a server can repeat most cheaply, the backslash.
    """
    text = text.replace(_HELD, "?").replace("\\\\", _HELD)
    for escaped, character in _SHORT:
        text = text.replace(escaped, character)
    return exportable(_LONG.sub(_character, text).replace(_HELD, "\\"))


def _character(escaped: re.Match[str]) -> str:
    short, long, run = escaped.groups()
    if run is None:
        return chr(int(short or long, 16))
    # As Python shows bytes, which are UTF-8 nearly always.
    encoded = bytes.fromhex(cast("str", run).replace("\\x", ""))
    try:
        return encoded.decode()
    except UnicodeDecodeError:
        return encoded.decode("latin-1")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        # Read as a dict, the first value of the two would never be shown.
        raise ValueError("a name occurs twice")
    return made


class _TooManyError(Exception):
    """A JSON text has more strings than are shown one by one."""


class _Strings:
    """Shows each string, name and number of one JSON text to ``redact``."""

    def __init__(self, redactor: Redactor, nested: int) -> None:
        self._redactor, self._nested = redactor, nested
        self._left = _MAX_SHOWN
        # Lists repeat the same names, and often the same few numbers.
        self._known: dict[str, str | None] = {}

    def of(self, value: object) -> object:
        """The value as it may be recorded; None in the place of a text that may not.

        Raises:
            _TooManyError: as it says.
        """
        if isinstance(value, dict):
            made: dict[str, object] = {}
            for name, item in cast("dict[str, object]", value).items():
                known = self._text(name) or ""
                # Two names may have become one.
                made[f"{known} {len(made) + 1}" if known in made else known] = self.of(item)
            return made
        if isinstance(value, list):
            return [self.of(item) for item in cast("list[object]", value)]
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool):
            return value
        # A card's number is one, too.
        written = number_text(cast("float", value))
        redacted = self._text(written)
        return value if redacted == written else redacted

    def _text(self, text: str) -> str | None:
        if text in self._known:
            return self._known[text]
        self._left -= 1
        if self._left < 0:
            raise _TooManyError
        shown = self._known[text] = self._redactor.whole(exportable(text), self._nested)
        return shown
