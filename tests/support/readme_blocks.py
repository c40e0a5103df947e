# SPDX-License-Identifier: Apache-2.0
"""The README's blocks of code, in order, each with the comment right before it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_BLOCK: Final = re.compile(r"^(?:<!-- ([^\n]+) -->\n)?^```(sh|python)\n(.*?)^```$", re.M | re.S)
_NOT_RUN: Final = "not run: "
UNTIL_INTERRUPTED: Final = "runs until Ctrl-C"


@dataclass(frozen=True)
class Block:
    """A block of shell or Python, and the comment right before it."""

    language: str
    code: str
    comment: str

    @property
    def not_run(self) -> str:
        """Why it is not run; nothing if it is."""
        return self.comment.removeprefix(_NOT_RUN) if self.comment.startswith(_NOT_RUN) else ""

    @property
    def serves(self) -> bool:
        """Whether a reader ends it by Ctrl-C."""
        return self.comment == UNTIL_INTERRUPTED


def blocks_of(document: str) -> list[Block]:
    """The blocks of a document, in order."""
    return [Block(found[2], found[3], found[1] or "") for found in _BLOCK.finditer(document)]
