# SPDX-License-Identifier: Apache-2.0
"""Cleans a text before it is recorded: calls the user's ``redact``, and limits the length.

``redact`` is shown each text as a person wrote it. JSON escapes a quote, a line break, ``ë``; so
does Python in the message of an exception. A pattern does not match an escaped text, but a reader
of the telemetry can undo the escapes. So JSON is read, each string in it is shown alone, and it is
written again; any other text with a backslash is shown unescaped, too, level by level.
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
# JSON in a string in JSON is read down to this level; deeper strings are shown unescaped.
_MAX_NESTED: Final = 4
# At most so many strings and numbers of one JSON text are shown alone: each may cost a few µs.
_MAX_SHOWN: Final = 4_096
# At most so much of a text is unescaped. A longer text may be cut inside a secret, so its last part
# is not recorded once `redact` found something.
_WINDOW: Final = 2 * MAX_TEXT
# Each level halves a run of backslashes, and the window has room for 17 levels.
_MAX_LEVELS: Final = 18

# This noncharacter, which no text contains, stands for an escaped backslash while the other escapes
# are undone: otherwise that backslash would begin an escape of its own.
_HELD: Final = "\ufdd0"
_SHORT: Final = (
    ('\\"', '"'), ("\\n", "\n"), ("\\/", "/"), ("\\'", "'"), ("\\t", "\t"), ("\\r", "\r"),
    ("\\b", "\b"), ("\\f", "\f"),
)  # fmt: skip
_LONG: Final = re.compile(
    r"\\u([0-9a-fA-F]{4})|\\U(000[0-9a-fA-F]{5}|0010[0-9a-fA-F]{4})|((?:\\x[0-9a-fA-F]{2})+)"
)


def cut(text: str) -> str:
    """Returns at most 64 KiB of a text, exportable, with a mark where it is cut."""
    if text.isascii() and len(text) <= MAX_TEXT:
        return text
    # A character has one byte at least, so a longer part of the text could not be kept anyway.
    encoded = exportable(text[: MAX_TEXT + 1]).encode()
    if len(encoded) <= MAX_TEXT:
        return encoded.decode()
    return encoded[: MAX_TEXT - len(CUT.encode())].decode("utf-8", "ignore") + CUT


def clean_spellings(clean: Clean, text: str, other: str) -> str | None:
    """Cleans a text that has a second spelling: a URL without ``%``, a trace without its margin.

    Returns:
        What may be recorded of ``text``; or of ``other``, if ``redact`` finds something in that.
    """
    if other == text or not isinstance(clean, Redactor):
        return clean(text)
    return clean.spelled(text, other)


class Redactor:
    """Calls the user's ``redact`` safely: its mistakes drop a text, and do not fail the call."""

    __slots__ = ("_redact", "_shorten")

    def __init__(
        self, redact: Callable[[str], object], shorten: Callable[[str], str] = cut
    ) -> None:
        self._redact = redact
        self._shorten = shorten

    def __call__(self, text: str) -> str | None:
        """Returns what may be recorded of a text; None if nothing may."""
        cleaned = self.whole(exportable(text), 0)
        return None if cleaned is None else self._shorten(cleaned)

    def spelled(self, text: str, other: str) -> str | None:
        """Returns what may be recorded of a text that can also be read in another spelling."""
        other = exportable(other)
        cleaned = self.whole(other, 0)
        if cleaned == other:
            return self(text)
        return None if cleaned is None else self._shorten(cleaned)

    def whole(self, text: str, nested: int) -> str | None:
        """Cleans a text without cutting it; ``nested`` is how many JSON strings it is inside of."""
        read = False
        if nested < _MAX_NESTED and _JSON_LIKE.match(text):
            try:
                parsed = read_json(text, _unique)
                shown = _Strings(self, nested + 1).of(parsed)
                read = True
            except (ValueError, _TooManyError):
                # The JSON is cut, huge or deep: the text is shown as it is, and unescaped.
                parsed = shown = None
            if read and shown is None:
                return None
            if shown != parsed:
                text = write_json(shown)
        # The whole text is shown, too: a pattern may match a name together with its value.
        redacted = self.shown(text)
        return redacted if redacted is None or read else self._unescaped(redacted)

    def shown(self, text: str) -> str | None:
        """Returns the result of ``redact``; None if it fails, or returns no string."""
        try:
            redacted = self._redact(text)
        except Exception as exc:  # noqa: BLE001 -- `redact` must not fail the user's call
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

    It calls no function for each backslash: a server that repeats them would cost its client time.
    """
    text = text.replace(_HELD, "?").replace("\\\\", _HELD)
    for escaped, character in _SHORT:
        text = text.replace(escaped, character)
    return exportable(_LONG.sub(_character, text).replace(_HELD, "\\"))


def _character(escaped: re.Match[str]) -> str:
    short, long, run = escaped.groups()
    if run is None:
        return chr(int(short or long, 16))
    # Python writes bytes as ``\x`` escapes, and bytes are nearly always UTF-8.
    encoded = bytes.fromhex(cast("str", run).replace("\\x", ""))
    try:
        return encoded.decode()
    except UnicodeDecodeError:
        return encoded.decode("latin-1")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        # A dict would drop the first of the two values, and `redact` would never see it.
        raise ValueError("a name occurs twice")
    return made


class _TooManyError(Exception):
    """Signals that a JSON text has more strings than are shown one by one."""


class _Strings:
    """Shows each string, name and number of one JSON text to ``redact``."""

    def __init__(self, redactor: Redactor, nested: int) -> None:
        self._redactor, self._nested = redactor, nested
        self._left = _MAX_SHOWN
        # Lists repeat names and numbers: each is shown only once.
        self._known: dict[str, str | None] = {}

    def of(self, value: object) -> object:
        """Returns the value as it may be recorded, with None for a text that may not.

        Raises:
            _TooManyError: the JSON has more than 4,096 strings and numbers.
        """
        if isinstance(value, dict):
            made: dict[str, object] = {}
            for name, item in cast("dict[str, object]", value).items():
                known = self._text(name) or ""
                # `redact` may turn two names into one: the number keeps both values.
                made[f"{known} {len(made) + 1}" if known in made else known] = self.of(item)
            return made
        if isinstance(value, list):
            return [self.of(item) for item in cast("list[object]", value)]
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool):
            return value
        # Numbers are shown, too: the number of a credit card is a secret.
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
