# SPDX-License-Identifier: Apache-2.0
"""Hooks of mkdocs (`make docs`): what GitHub shows of `docs/` and a site would show otherwise.

Links to files outside of `docs/` lead to the repository; its address is in `pyproject.toml` alone.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path, PurePosixPath
from typing import Any, Final

_ROOT: Final = Path(__file__).parents[1]
# A warning of this logger fails a strict build.
_log: Final = logging.getLogger("mkdocs.hooks.pages")
_FENCE: Final = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_COMMENT: Final = re.compile(r"^<!-- .*? -->$", re.MULTILINE)
_LINK: Final = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((\.\./[^)\s]+)\)")
# What is left of a list or a table where Markdown for Python wants an empty line before it.
_SOURCE: Final = re.compile(r"^(?:\* |\|-)", re.MULTILINE)
_CODE: Final = re.compile(r"<(pre|code)\b.*?</\1>", re.DOTALL)


def address() -> str:
    """The address of the repository."""
    text = (_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (found,) = re.findall(r'^urls\.Source = "(.+)"$', text, re.MULTILINE)
    return str(found)


def for_the_site(markdown: str, page: str) -> str:
    """A page as the site has it.

    Args:
        markdown: as it is in the repository.
        page: its path below `docs/`.
    """
    parts: list[str] = []
    at = 0
    for fence in _FENCE.finditer(markdown):
        parts += [_outside(markdown[at : fence.start()], page), fence[0]]
        at = fence.end()
    return "".join([*parts, _outside(markdown[at:], page)])


def _outside(text: str, page: str) -> str:
    """Text without code: comments would swallow the table or the list that they stand before."""
    return _LINK.sub(lambda found: _to_the_repository(found, page), _COMMENT.sub("\n", text))


def _to_the_repository(found: re.Match[str], page: str) -> str:
    image, text, target = found.groups()
    path, hash_, anchor = target.partition("#")
    resolved = _resolved(PurePosixPath("docs") / PurePosixPath(page).parent / path)
    if resolved.startswith("docs/"):
        return found[0]
    kind = "raw" if image else "tree" if (_ROOT / resolved).is_dir() else "blob"
    return f"{image}[{text}]({address()}/{kind}/main/{resolved}{hash_}{anchor})"


def _resolved(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def on_config(config: Any) -> Any:
    """Tells mkdocs where the repository is."""
    config["repo_url"], config["repo_name"] = address(), "Repository"
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Changes a page before it is read as Markdown."""
    return for_the_site(markdown, page.file.src_uri)


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Warns of a list or a table that was not understood."""
    for left in unread(html):
        _log.warning("%s: an empty line is missing before %r", page.file.src_uri, left)
    return html


def unread(html: str) -> list[str]:
    """The Markdown that is left in a page's HTML, code aside."""
    text = re.sub(r"<[^>]+>", "", _CODE.sub("", html))
    return [text[found.start() :].splitlines()[0] for found in _SOURCE.finditer(text)]
