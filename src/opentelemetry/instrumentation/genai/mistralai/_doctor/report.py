# SPDX-License-Identifier: Apache-2.0
"""Writes the doctor's report: plain text that fits in 80 columns."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from typing import TextIO

_WIDTH: Final = 79
_SECRET: Final = ("HEADERS", "KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")


class Report:
    """Writes findings line by line, and counts the problems."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._problems = 0

    def section(self, title: str) -> None:
        """Writes a section's title."""
        self._out.write(f"\n{title}\n")

    def good(self, text: str) -> None:
        """Writes a finding that is as it should be."""
        self._write("ok", text)

    def note(self, text: str) -> None:
        """Writes a finding that is neither right nor wrong."""
        self._write("-", text)

    def problem(self, text: str, mend: str) -> None:
        """Writes what is wrong, and how to mend it."""
        self._problems += 1
        self._write("WRONG", text)
        self._write("", f"-> {mend}")

    def conclude(self) -> int:
        """Writes the number of problems; returns the exit status."""
        found = self._problems
        lines = {0: "Nothing is wrong.", 1: "1 thing is wrong."}
        self._out.write(f"\n{lines.get(found, f'{found} things are wrong.')}\n")
        return 1 if found else 0

    def _write(self, mark: str, text: str) -> None:
        lines = wrap(text, _WIDTH, initial_indent=f"  {mark:<5} ", subsequent_indent=" " * 8,
                     break_on_hyphens=False)  # fmt: skip
        self._out.write("\n".join(lines) + "\n")


def shown(name: str, value: str) -> str:
    """Returns a variable's value without secrets, and no longer than fits."""
    if any(word in name for word in _SECRET):
        return "(set; not shown)"
    if name == "OTEL_RESOURCE_ATTRIBUTES":
        keys = (pair.partition("=")[0].strip() for pair in value.split(","))
        return ", ".join(filter(None, keys)) + " (values not shown)"
    if "@" in value or "://" in value:
        # `without_secrets` removes only the first URL's password: several URLs are not shown.
        url = without_secrets(value)
        return url if value.count("://") == 1 and "@" not in url else "(set; not shown)"
    return "".join(char if char.isprintable() else "?" for char in value[:200])


def without_secrets(url: str) -> str:
    """Returns a URL without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}"
    except ValueError:
        return "(not a URL)"
