# SPDX-License-Identifier: Apache-2.0
"""The pages of `docs/`: blocks run, pictures are used, and the site shows what GitHub does.

`make test-readme` runs all blocks, commands too, with nothing installed before. `test_project.py`
tests that no link is dead.
"""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from emulator import serve
from tests.examples.running import without_settings
from tests.support import sdk
from tests.support.readme_blocks import (
    ROOT,
    UNTIL_INTERRUPTED,
    Block,
    all_of,
    blocks_of,
    blocks_on,
    pages,
)
from tests.support.strict import STRICT
from tests.support.systems import needs_fork
from tools import pages as site

DOCS: Final = ROOT / "docs"
PAGES: Final = pages()
BLOCKS: Final = [block for page in PAGES for block in blocks_on(page)]
PROGRAMS: Final = [
    block
    for block in BLOCKS
    # Those of the README have tests of their own.
    if block.language == "python" and not block.not_run and block.page != "README.md"
]
# Asked of a real Prometheus: `make test-backends`.
QUERIES: Final = (ROOT / "tests/prometheus/test_migration.py").read_text()
PICTURES: Final = sorted((DOCS / "pictures").iterdir())
_PICTURE: Final = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
# A chart has a dark twin; the text is that of both.
_PAIR: Final = re.compile(r'srcset="([^"]+)">\s*<img alt="([^"]+)"\s+src="([^"]+)"')


# Pages


def test_each_page_is_in_the_index_and_in_the_menu_of_the_site() -> None:
    there = {path.relative_to(ROOT).as_posix() for path in DOCS.rglob("*.md")}
    assert set(PAGES) - {"README.md"} == there
    menu = re.findall(r"^ *- (?:[^:\n]+: )?(\w+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M)
    assert [f"docs/{name}" for name in menu] == sorted(
        (page for page in PAGES if page != "README.md"),
        key=[f"docs/{name}" for name in menu].index,
    )


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_one_title_and_no_section_twice(page: str) -> None:
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(), flags=re.M | re.S)
    assert len(re.findall(r"^# ", text, re.M)) == 1
    # The second anchor of a name is not the same on GitHub and in the site.
    sections = re.findall(r"^## (.+)$", text, re.M)
    assert len(sections) == len(set(sections))


# Blocks


def test_each_block_is_run_or_says_on_the_spot_why_it_is_not() -> None:
    unclear = [
        block.place
        for block in BLOCKS
        if not (block.comment == "" or block.serves or len(block.not_run) > 10)
    ]
    known = f"`<!-- {UNTIL_INTERRUPTED} -->` or `<!-- not run: why -->`"
    assert unclear == [], f"before a block stands nothing, {known}"
    for page in PAGES:
        text = (ROOT / page).read_text()
        there = all_of(text, page)
        queries = {"promql"} if Path(page).name in QUERIES else set[str]()
        ran = {"sh", "python", *queries}
        shown = [block.place for block in there if not block.not_run and block.language not in ran]
        assert shown == [], "a block of another language is not run, and has to say so"
        texts = len(re.findall(r"^```text$", text, re.M))
        fences = len(re.findall(r"^ *```", text, re.M))
        assert fences == 2 * (len(there) + texts), f"{page}: a fence is not read"


def test_what_is_not_run_is_what_cannot_be_run() -> None:
    left_out = {" ".join(block.code.split()[:2]) for block in BLOCKS if block.not_run}
    assert {"docker run", "make jaeger-run", "make bench"} <= left_out
    assert "make demo" not in left_out


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all programs of the pages ran, each in a process of its own."""
    folder = tmp_path_factory.mktemp("programs")
    for number, block in enumerate(PROGRAMS):
        (folder / f"{number:03}.py").write_text(block.code)
    with serve() as emulator:
        subprocess.run(  # noqa: S603 -- ours
            [sys.executable, *STRICT, "-m", "tests.support.forking", str(folder)],
            check=True,
            cwd=ROOT,
            env=without_settings(MISTRAL_SERVER_URL=emulator.url, MISTRAL_API_KEY="none"),
        )
    return folder


@needs_fork
@pytest.mark.skipif(sdk.VERSION < (3, 4), reason="the pages are written for the newest SDK")
@pytest.mark.parametrize("number", range(len(PROGRAMS)), ids=[block.page for block in PROGRAMS])
def test_each_program_runs_and_prints_what_stands_there(ran: Path, number: int) -> None:
    block, name = PROGRAMS[number], ran / f"{number:03}"
    said, errors = (name.with_suffix(suffix).read_text() for suffix in (".out", ".err"))
    assert (name.with_suffix(".code").read_text(), errors) == ("0", ""), block.place
    if block.prints is not None:
        assert said == block.prints, block.place


def test_who_is_in_trouble_is_sent_to_the_doctor_first() -> None:
    first = next(block for block in BLOCKS if block.page == "docs/troubleshooting.md")
    assert first.code == "python -m opentelemetry.instrumentation.genai.mistralai\n"


def test_each_recipe_with_a_program_says_what_it_prints() -> None:
    recipes = [block for block in PROGRAMS if block.page == "docs/recipes.md"]
    assert len(recipes) >= 7
    assert [block.place for block in recipes if not block.prints] == []


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("```sh\na\n```\n", [Block("", "sh", "a\n", "")]),
        ("<!-- not run: b -->\n```sh\na\n```\n", [Block("", "sh", "a\n", "not run: b")]),
        (
            "```python\na\n```\n\n<!-- prints -->\n```text\nc\n```\n",
            [Block("", "python", "a\n", "", "c\n")],
        ),
        ("```text\nc\n```\n", []),
    ],
)
def test_blocks_are_read(text: str, blocks: list[Block]) -> None:
    assert blocks_of(text) == blocks


# Pictures


def pictures_of(page: str) -> list[tuple[str, Path]]:
    """The pictures of a page: alternative text and file."""
    content = (ROOT / page).read_text()
    found: list[tuple[str, str]] = _PICTURE.findall(content)
    for dark, text, light in _PAIR.findall(content):
        found += [(text, dark), (text, light)]
    return [(text, (ROOT / page).parent / path) for text, path in found]


def test_each_picture_is_small_used_and_told_to_those_who_do_not_see_it() -> None:
    shown = [each for page in PAGES for each in pictures_of(page)]
    assert {path.resolve() for _, path in shown} == set(PICTURES)
    assert [path.name for path in PICTURES if path.stat().st_size > 150_000] == []
    # A sentence, and not the name of the file.
    assert [text for text, _ in shown if len(text) < 60] == []


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_a_picture_can_be_read_at_the_width_of_a_page(picture: Path) -> None:
    header = picture.read_bytes()[:500]
    if picture.suffix == ".svg":
        (box,) = re.findall(rb'viewBox="0 0 (\d+) (\d+)"', header)
        width, height = map(int, box)
    else:
        assert header.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", header[16:24])
    assert width <= 1600
    assert 0.2 < height / width < 1.2


# The site


def test_a_broken_link_fails_the_build() -> None:
    (command,) = re.findall(r"mkdocs build (.+)", (ROOT / "Makefile").read_text())
    # With --quiet warnings are not counted, and a strict build passes.
    assert command == "--strict"


def test_links_out_of_docs_lead_to_the_repository() -> None:
    home = site.address()
    assert home.startswith("https://github.com/")
    assert site.for_the_site(
        "[`a`](../examples/deploy/README.md#x-y) [b](../examples) ![c [d]](../examples/p.png)\n"
        "[e](scale.md) [f](#g) [h](https://example.com/../i)\n"
        "```sh\n[j](../k)\n```\n[l](../docs/scale.md)",
        "page.md",
    ) == (
        f"[`a`]({home}/blob/main/examples/deploy/README.md#x-y) [b]({home}/tree/main/examples) "
        f"![c [d]]({home}/raw/main/examples/p.png)\n"
        "[e](scale.md) [f](#g) [h](https://example.com/../i)\n"
        "```sh\n[j](../k)\n```\n[l](../docs/scale.md)"
    )


def test_a_comment_does_not_swallow_the_table_behind_it() -> None:
    assert site.for_the_site("a\n<!-- b -->\n|c|\n<!-- /b -->\nd", "p.md") == "a\n\n\n|c|\n\n\nd"


def test_markdown_that_the_site_would_show_is_seen() -> None:
    assert site.unread("<p>a:\n* b\n* c</p>") == ["* b", "* c"]
    assert site.unread("<p>|a|\n|---|</p>") == ["|---|"]
    assert site.unread("<ul><li>a</li></ul><pre>\n* b</pre>") == []
