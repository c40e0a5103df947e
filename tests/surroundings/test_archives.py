# SPDX-License-Identifier: Apache-2.0
"""Programs in one file: zipapp, pex, and PyInstaller, which leaves packages' metadata out."""

from __future__ import annotations

import shutil
import sys
import zipapp
from typing import TYPE_CHECKING, Final

import pytest
from uv import find_uv_bin

from tests.support.strict import STRICT
from tests.surroundings.running import PROGRAM, ROOT, assert_works, both, command, run

if TYPE_CHECKING:
    from pathlib import Path

    from emulator import Emulator

NAME: Final = "opentelemetry-instrumentation-genai-mistralai"
# What of this environment the program does not need; looking through it takes a minute.
_NOT_IN_IT: Final = (
    "IPython", "celery", "cryptography", "eventlet", "fastapi", "gevent", "google", "grpc",
    "hypothesis", "ipykernel", "jedi", "mcp", "mypy", "nox", "numpy", "playwright",
    "prompt_toolkit", "pygments", "pytest", "rich", "setuptools", "starlette", "tkinter",
    "uvloop", "zmq",
)  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin as it is published."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run(find_uv_bin(), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT))
    assert built.code == 0, built.complaints
    (found,) = folder.glob("*.whl")
    return found


def test_zipapp(emulator: Emulator, tmp_path: Path, wheel: Path) -> None:
    app = tmp_path / "app"
    installed = run(find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--python",
                    sys.executable, "--target", str(app), str(wheel))  # fmt: skip
    assert installed.code == 0, installed.complaints
    shutil.copy(PROGRAM, app / "__main__.py")
    archive = tmp_path / "app.pyz"
    zipapp.create_archive(app, archive)
    # What is compiled cannot be in a zip, so the rest is this environment's.
    bare, ours = both([sys.executable, *STRICT, str(archive)], emulator.url, "asyncio", tmp_path)
    assert_works(bare, ours)
    assert ours.complaints == ""
    assert ours.told["plugin"].startswith(str(archive))


def test_pex(emulator: Emulator, tmp_path: Path, wheel: Path) -> None:
    archive = tmp_path / "app.pex"
    made = run(command("pex"), str(wheel), "mistralai>=3.7,<4", "opentelemetry-sdk",
               "--exe", str(PROGRAM), "--output-file", str(archive))  # fmt: skip
    assert made.code == 0, made.complaints
    # Nothing of this environment: what it needs is in it.
    program = [sys.executable, "-I", str(archive)]
    bare, ours = both(program, emulator.url, "asyncio", tmp_path)
    assert_works(bare, ours)
    assert ours.complaints == ""
    assert NAME.replace("-", "_") in ours.told["plugin"]


def test_pyinstaller(emulator: Emulator, tmp_path: Path) -> None:
    excluded = [word for name in _NOT_IN_IT for word in ("--exclude-module", name)]
    made = run(command("pyinstaller"), "--noconfirm", "--log-level", "ERROR", "--paths",
               str(ROOT / "src"), "--collect-submodules", "mistralai.client", *excluded,
               "--distpath", str(tmp_path / "dist"), "--workpath", str(tmp_path / "work"),
               "--specpath", str(tmp_path), str(PROGRAM), folder=tmp_path)  # fmt: skip
    assert made.code == 0, made.complaints
    program = tmp_path / "dist" / "program" / "program"
    bare, ours = both([str(program)], emulator.url, "asyncio", tmp_path)
    assert_works(bare, ours)
    assert ours.complaints == ""
    assert ours.told["plugin"].startswith(str(tmp_path))
