# SPDX-License-Identifier: Apache-2.0
"""The blocks of code of README and docs, in order, each with the comment right before it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_BLOCK: Final = re.compile(r"^(?:<!-- ([^\n]+) -->\n)?^```(\w*)\n(.*?)^```$", re.M | re.S)
_RUN: Final = re.compile(r"sh|python")
_NOT_RUN: Final = "not run: "
UNTIL_INTERRUPTED: Final = "runs until Ctrl-C"
_PRINTS: Final = "prints"


@dataclass(frozen=True)
class Block:
    """A block of code, and the comment right before it."""

    page: str
    """Its document, from the root of the repository."""
    language: str
    code: str
    comment: str
    prints: str | None = None
    """What a block `<!-- prints -->` after it says that it prints."""

    @property
    def not_run(self) -> str:
        """Why it is not run; nothing if it is."""
        return self.comment.removeprefix(_NOT_RUN) if self.comment.startswith(_NOT_RUN) else ""

    @property
    def serves(self) -> bool:
        """Whether a reader ends it by Ctrl-C."""
        return self.comment == UNTIL_INTERRUPTED

    @property
    def place(self) -> str:
        """The document and the first line."""
        return f"{self.page}: {self.code.strip().splitlines()[0]}"


def blocks_on(page: str) -> list[Block]:
    """The blocks of a document.

    Args:
        page: from the root of the repository.
    """
    return blocks_of((ROOT / page).read_text(), page)


def blocks_of(document: str, page: str = "") -> list[Block]:
    """The blocks of shell and Python of a text, in order.

    Args:
        document: the text.
        page: the name of it that the blocks get.
    """
    return [block for block in all_of(document, page) if _RUN.fullmatch(block.language)]


def all_of(document: str, page: str = "") -> list[Block]:
    """As `blocks_of`, and blocks of other languages; ``text`` only shows something."""
    blocks: list[Block] = []
    for comment, language, code in _BLOCK.findall(document):
        if language != "text":
            blocks.append(Block(page, language, code, comment))
        elif comment == _PRINTS:
            last = blocks.pop()
            blocks.append(Block(page, last.language, last.code, last.comment, code))
    return blocks


def pages() -> list[str]:
    """README, and the documents of `docs/` in the order of their index."""
    index = (ROOT / "docs/index.md").read_text()
    named = re.findall(r"\]\((\w+\.md)\)", index)
    return ["README.md", "docs/index.md", *(f"docs/{name}" for name in dict.fromkeys(named))]
