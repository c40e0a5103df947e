# SPDX-License-Identifier: Apache-2.0
"""What an installer chooses today with an old SDK is what `docs/compatibility.md` says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest
from uv import find_uv_bin

from tests.docs import compatibility
from tests.support.servers import without

ROOT: Final = compatibility.ROOT


def resolved(sdk: str, tmp_path: Path) -> dict[str, str]:
    """What an installer chooses with that version of mistralai and this package."""
    wanted = tmp_path / "wanted.in"
    wanted.write_text(f"mistralai=={sdk}\n")
    command = [
        find_uv_bin(), "pip", "compile", "--quiet", "--python-version", "3.12", "--no-header",
        "--no-annotate", str(wanted), str(ROOT / "pyproject.toml"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- uv
    if done.returncode:
        without(f"the package index is not there: {done.stderr[:200]}")
    return dict(re.findall(r"^([\w-]+)==(\S+)$", done.stdout, re.M))


# Resolving takes seconds for each: those that are held back, and two of the others.
@pytest.mark.parametrize("sdk", [*compatibility.HELD_BACK, "1.12.4", "3.0.0"])
def test_an_installer_chooses_what_the_page_says(sdk: str, tmp_path: Path) -> None:
    found = resolved(sdk, tmp_path)
    chosen = (found["opentelemetry-api"], found["wrapt"])
    minors = tuple(".".join(each.split(".")[:2]) for each in chosen)
    if sdk in compatibility.HELD_BACK:
        assert minors == compatibility.HELD_BACK[sdk]
    else:
        assert tuple(map(int, minors[0].split("."))) >= (1, 45)
        assert tuple(map(int, minors[1].split("."))) >= (2, 0)
