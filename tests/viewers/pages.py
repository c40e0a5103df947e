# SPDX-License-Identifier: Apache-2.0
"""What the pages of ``examples/viewers`` tell their readers to run and to copy."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = ROOT / "examples" / "viewers"
_SHELL: Final = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
_PYTHON: Final = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


class Page:
    """One page: three commands, and programs.

    Attributes:
        install: what gets the viewer.
        serve: what starts it.
        send: what sends the demo's conversations to it.
        port: where it says that the viewer listens.
        programs: its blocks of Python.
    """

    def __init__(self, viewer: str) -> None:
        """Reads a page.

        Args:
            viewer: the page's name, without its ending.
        """
        text = (PAGES / f"{viewer}.md").read_text()
        commands = "".join(_SHELL.findall(text)).replace("\\\n", "").splitlines()
        told = [command.partition("   #")[0].strip() for command in commands]
        self.install, self.serve, self.send = told
        self.programs: list[str] = _PYTHON.findall(text)
        (self.port,) = re.findall(r"_ENDPOINT=http://127\.0\.0\.1:(\d+) ", self.send)
        assert self.port in self.serve

    def served_on(self, port: int) -> str:
        """What starts the viewer on another port."""
        return self.serve.replace(self.port, str(port))

    def sent_to(self, port: int, demo: str) -> str:
        """What sends the conversations to another port.

        Args:
            port: the viewer's.
            demo: what runs instead of ``make demo``, whose environment has no viewer.
        """
        assert self.send.endswith(" make demo")
        return self.send.replace(self.port, str(port)).replace("make demo", demo)


def as_shown(recipe: Callable[..., Any]) -> str:
    """The source of a recipe without what is there for this project's linter."""
    return re.sub(r"  # noqa: .*", "", inspect.getsource(recipe))
