# SPDX-License-Identifier: Apache-2.0
"""The SDK matrix: the end-to-end tests on each line of the SDK, old and new Python and wrapt."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox
from uv import find_uv_bin

nox.options.default_venv_backend = "uv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True

# (mistralai, python, further pins). Old lines and the newest are at both ends of the Pythons;
# 1.12.1 resolves the oldest OpenTelemetry, and with it wrapt 1.17.
MATRIX: dict[str, tuple[str, list[str]]] = {
    "1.8.0": ("3.10", []),
    "1.9.11": ("3.11", ["wrapt==1.17.3"]),
    "1.12.1": ("3.10", []),
    "1.12.4": ("3.12", []),
    "2.0.0": ("3.11", []),
    "2.4.9": ("3.12", []),
    "2.10.1": ("3.13", []),
    "3.0.0": ("3.10", ["wrapt==1.17.3"]),
    "newest": ("3.13", []),
}


def interpreter(version: str) -> str:
    """The Python of that version: on the PATH, or one of pyenv's, which puts only one there.

    Args:
        version: such as ``3.10``.

    Raises:
        FileNotFoundError: there is none.
    """
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    of_pyenv = sorted(str(path) for path in root.glob(f"versions/{version}.*/bin/python"))
    candidates = [*of_pyenv, f"python{version}"]
    for candidate in candidates:
        found = shutil.which(candidate)
        if found is not None:
            return found
    raise FileNotFoundError(f"the matrix needs Python {version}, on the PATH or in pyenv")


@nox.session(python=False)
@nox.parametrize("sdk", list(MATRIX))
def matrix(session: nox.Session, sdk: str) -> None:
    """Runs the end-to-end tests on one line of the SDK."""
    python, pins = MATRIX[sdk]
    uv = find_uv_bin()
    venv = Path(".nox") / f"matrix-{sdk}"
    executable = str(venv / "bin" / "python")
    mistralai = "mistralai" if sdk == "newest" else f"mistralai=={sdk}"
    if not venv.exists():
        session.run(uv, "venv", "--quiet", "--python", interpreter(python), str(venv))
    session.run(uv, "pip", "install", "--quiet", "--python", executable, mistralai, *pins,
                "--editable", ".", "--group", "test")  # fmt: skip
    session.run(executable, "-m", "pytest", "tests/end_to_end", *session.posargs)
