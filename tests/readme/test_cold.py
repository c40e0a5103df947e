# SPDX-License-Identifier: Apache-2.0
"""README and docs from top to bottom, for somebody who has nothing but Python and a clone.

``make test-readme``: an empty home, a new virtual environment, a fresh copy of the tree, and every
block in order, those of the README first and then page by page as the index has them. What needs
more says so on the spot; ``tests/docs/test_pages.py`` sees to that.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

import pytest

from emulator import serve
from tests.examples.interrupting import running
from tests.examples.running import without_settings
from tests.support.readme_blocks import ROOT, Block, blocks_on, pages
from tests.support.strict import STRICT
from tests.support.systems import needs_posix
from tests.zero_code.receiver import receive

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = needs_posix

_RUN: Final = [block for page in pages() for block in blocks_on(page) if not block.not_run]
# The usual ports may be taken where this runs. Those that are written are looked at by other tests.
_OTLP: Final = "http://localhost:4318"
_ELSEWHERE: Final = {"make chat ": "make chat ARGS='--port 0' "}
# What each program must print, besides ending well.
_PRINTS: Final = {
    "make demo": "What was recorded",
    # In the same block: the demo draws what this one prints as JSON.
    "make demo ": '"name": "execute_tool web_search"',
    "OTEL_EXPORTER_OTLP_ENDPOINT=": "Sent.",
    "make chat": "running on http://127.0.0.1:",
    ".venv/bin/python -m examples.prometheus": "/metrics",
    "python -m opentelemetry": "mistralai",
    "import os": '"name": "chat mistral-small-latest"',
}
_SECONDS: Final = 1200.0


class Reader:
    """Somebody with an empty home who types what stands there."""

    def __init__(self, home: Path, otlp: str, server_url: str) -> None:
        """Makes the home, the clone and the virtual environment."""
        self._home = home
        self._otlp = otlp
        self.clone = home / "clone"
        _copy_tree(self.clone)
        venv.create(home / "venv", with_pip=True)
        path = [str(home / "venv/bin"), *_system_path()]
        self._environment = without_settings(
            HOME=str(home), PATH=os.pathsep.join(path), VIRTUAL_ENV=str(home / "venv")
        )
        for name in list(self._environment):
            if name.startswith(("XDG_", "UV_", "CI")):
                del self._environment[name]
        # For the programs in Python alone: `make` targets bring their own emulator.
        self._emulated = {"MISTRAL_API_KEY": "none", "MISTRAL_SERVER_URL": server_url}

    def goes_through(self, block: Block) -> str:
        """Runs a block and returns what it printed.

        Raises:
            AssertionError: it did not end well.
        """
        if block.language == "python":
            program = self._home / "program.py"
            program.write_text(block.code)
            return self._runs(["python", *STRICT, str(program)], **self._emulated)
        code = block.code.replace(_OTLP, self._otlp)
        for written, typed in _ELSEWHERE.items():
            code = code.replace(written, typed)
        if block.serves:
            return self._serves(code)
        return self._runs(["sh", "-eu", "-c", code])

    def _runs(self, command: list[str], **more: str) -> str:
        done = subprocess.run(  # noqa: S603 -- the README's
            command,
            cwd=self.clone,
            env={**self._environment, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def _serves(self, code: str) -> str:
        environment = {**self._environment, "OTEL_EXPORTER_PROMETHEUS_PORT": "0"}
        with running(["sh", "-eu", "-c", code], environment, self.clone) as server:
            server.wait_for("http://127.0.0.1:", _SECONDS)
            _code, after = server.interrupt()
            assert "Traceback" not in after, after
            assert "***" not in after, after
            return server.said.decode()


def _copy_tree(clone: Path) -> None:
    """What a clone would hold if all changes here were committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 -- git is where it is
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)


def _system_path() -> list[str]:
    """The path without the environment that runs this test; with the Python that it is made of."""
    base = str(Path(sys.base_prefix) / "bin")
    own = str(Path(sys.executable).parent)
    return [base, *(part for part in os.environ["PATH"].split(os.pathsep) if part != own)]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """One for all blocks: what a block installs is there for the next one."""
    with receive() as receiver, serve() as emulator:
        yield Reader(tmp_path_factory.mktemp("home"), receiver.url, emulator.url)


def test_every_block_runs_in_order(reader: Reader, capsys: pytest.CaptureFixture[str]) -> None:
    assert {block.page for block in _RUN} >= {"README.md", "docs/recipes.md", "docs/viewers.md"}
    printed: dict[str, str] = {}
    for block in _RUN:
        begun = monotonic()
        try:
            printed[block.code] = said = reader.goes_through(block)
            assert block.prints in (None, said)
        except AssertionError as error:
            raise AssertionError(f"{block.page}:\n{block.code}\n{error}") from None
        with capsys.disabled():
            sys.stdout.write(f"\n{monotonic() - begun:6.1f} s  {block.place}")
            sys.stdout.flush()
    for start, text in _PRINTS.items():
        found = [said for code, said in printed.items() if code.startswith(start)]
        assert found, start
        assert text in found[0], (start, found[0])
