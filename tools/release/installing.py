# SPDX-License-Identifier: Apache-2.0
"""Installs what was built for each Python, runs a program with it, and type checks one."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Final

from noxfile import interpreter
from tools.release.running import MODULE, TOOLS, UV, Built, ReleaseError, said

PYTHONS: Final = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
# Not every machine that releases has these.
_YOUNG: Final = ("3.14", "3.15")
CONSUMER: Final = Path(__file__).with_name("consumer.py")
# The SDK is imported after instrument(), and what is patched shows it.
_PROGRAM: Final = f"""
import sys
from {MODULE} import MistralAIInstrumentor, instrument, uninstrument
instrument()
assert "mistralai" not in sys.modules
import mistralai.client.conversations as module
assert hasattr(module.Conversations.start_stream, "__wrapped__")
assert MistralAIInstrumentor().is_instrumented_by_opentelemetry
uninstrument()
assert not hasattr(module.Conversations.start_stream, "__wrapped__")
"""
_PYRIGHT: Final = json.dumps(
    {
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": True,
        # Those of mypy would hide what it says itself.
        "enableTypeIgnoreComments": False,
    }
)


def pythons() -> dict[str, str]:
    """The executables of the supported Pythons that this machine has.

    Raises:
        ReleaseError: one is missing that is not young, and this is CI; or all are.
    """
    found: dict[str, str] = {}
    for version in PYTHONS:
        try:
            found[version] = interpreter(version)
        except FileNotFoundError:
            if os.environ.get("CI") and version not in _YOUNG:
                raise ReleaseError(f"there is no Python {version} here") from None
    if not found:
        raise ReleaseError(f"there is none of the Pythons {PYTHONS} here")
    return found


def empty(venv: Path, python: str, *requirements: str) -> Path:
    """Makes an environment with these requirements and what they need; returns its Python."""
    executable = venv / "bin" / "python"
    said(UV, "venv", "--quiet", "--python", python, venv)
    said(UV, "pip", "install", "--quiet", "--python", executable, *requirements)
    said(UV, "pip", "check", "--python", executable)
    return executable


def install(scratch: Path, built: Built) -> tuple[dict[str, Path], str]:
    """Installs the wheel and the sdist for each Python, and runs a program with each.

    Args:
        scratch: an empty directory.
        built: the wheel and the sdist.

    Returns:
        The executables of the environments with the wheel, by Python; and what was done.
    """
    with_wheel: dict[str, Path] = {}
    for version, python in pythons().items():
        for archive in built:
            venv = scratch / f"{version}-{archive.suffix[1:]}"
            executable = empty(venv, python, f"{archive}[instruments]")
            said(executable, "-I", "-c", _PROGRAM, at=scratch)
            if archive.suffix == ".whl":
                with_wheel[version] = executable
    missing = [version for version in PYTHONS if version not in with_wheel]
    told = f" (not here: {', '.join(missing)})" if missing else ""
    return with_wheel, f"wheel and sdist on Python {', '.join(with_wheel)}{told}"


def type_check(scratch: Path, with_wheel: dict[str, Path]) -> str:
    """Type checks a user's file against the installed wheel, on the oldest and newest Python.

    Two lines of that file are wrong and say so. If a checker finds them right, it has not seen our
    types, and the comment that is then unused is an error.
    """
    versions = list(with_wheel)
    chosen = list(dict.fromkeys((versions[0], versions[-1])))
    for version in chosen:
        place = scratch / f"consumer-{version}"
        place.mkdir()
        shutil.copy(CONSUMER, place)
        (place / "pyrightconfig.json").write_text(_PYRIGHT)
        python = with_wheel[version]
        said(TOOLS / "mypy", "--config-file=", "--strict", "--python-executable", python,
             "--python-version", version, CONSUMER.name, at=place)  # fmt: skip
        said(TOOLS / "pyright", "--pythonpath", python, "--pythonversion", version,
             CONSUMER.name, at=place)  # fmt: skip
    return f"a user's file in mypy --strict and pyright strict, Python {' and '.join(chosen)}"
