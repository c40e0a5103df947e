# SPDX-License-Identifier: Apache-2.0
"""The tests on each SDK line, beside other instrumentations, under frameworks, in viewers."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox
from nox.command import CommandFailed
from uv import find_uv_bin

nox.options.default_venv_backend = "uv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True

# (mistralai, python, further pins), on Pythons from end to end. 1.12.1 resolves the oldest
# OpenTelemetry, and with it wrapt 1.17. The newest SDK is for `make test`
# and `make test-beside`.
MATRIX: dict[str, tuple[str, list[str]]] = {
    "1.8.0": ("3.10", []),
    "1.9.11": ("3.11", ["wrapt==1.17.3"]),
    "1.12.1": ("3.10", []),
    "1.12.4": ("3.12", []),
    "2.0.0": ("3.11", []),
    "2.4.9": ("3.12", []),
    "2.10.1": ("3.13", []),
    "3.0.0": ("3.10", ["wrapt==1.17.3"]),
}
# What no line of the SDK has to do with, and takes long: run on the newest SDK and on one more.
ON_TWO = (
    "process/test_clocks_that_jump.py",
    "sessions/test_session_transparency.py",
    "process/test_many_threads.py",
    "content/test_content_kept.py",
    "transparency/test_every_guard.py",
    "completions/test_inside_inferences.py",
    "content/test_redaction_everywhere.py",
    "switching/test_without_metadata.py",
)
ONE_MORE = "1.12.4"
# (mistralai, python, the other instrumentation), at the versions that the tests know.
BESIDE: dict[str, tuple[str, str, str]] = {
    "openllmetry": ("1.12.4", "3.12", "opentelemetry-instrumentation-mistralai==0.62.4"),
    "openinference": ("newest", "3.13", "openinference-instrumentation-mistralai==2.2.2"),
}
# (mistralai, python, what else is installed): what docs/migration.md and docs/comparison.md are
# about, each on the newest SDK that it works with. Those of ALSO_BESIDE are also run with us.
MIGRATION: dict[str, tuple[str, str, list[str]]] = {
    "ours": ("3.7.0", "3.12", []),
    "sdk": ("3.7.0", "3.12", []),
    "sdk-1.12": ("1.12.4", "3.12", []),
    "openinference": ("3.7.0", "3.12", ["openinference-instrumentation-mistralai==2.2.2"]),
    "openllmetry": ("1.12.4", "3.12", ["opentelemetry-instrumentation-mistralai==0.62.4"]),
    "openlit": ("1.12.4", "3.12", ["openlit==1.45.0"]),
    "ddtrace": ("3.7.0", "3.12", ["ddtrace==4.16.0"]),
    "braintrust": ("3.7.0", "3.12", ["braintrust==0.47.0"]),
}
ALSO_BESIDE = ("sdk", "openinference", "openllmetry")
# (mistralai, python, what else is installed): frameworks that call the SDK, at the versions that
# the tests know, each on the newest SDK that it allows.
FRAMEWORKS: dict[str, tuple[str, str, list[str]]] = {
    "pydantic-ai": ("3.7.0", "3.12", ["pydantic-ai-slim[mistral]==2.68.0"]),
    "strands": ("3.7.0", "3.12", ["strands-agents[mistral]==1.62.0"]),
    "util-genai": ("3.7.0", "3.12", ["opentelemetry-util-genai==1.3b0"]),
    "ag2": ("3.7.0", "3.12", ["ag2[mistral,tracing]==1.2.1"]),
    "semantic-kernel": ("1.12.4", "3.12", ["semantic-kernel[mistralai]==1.45.0"]),
    "llama-index": ("3.7.0", "3.12", ["llama-index-llms-mistralai==0.11.0"]),
    "instructor": ("3.7.0", "3.12", ["instructor==1.17.0"]),
    "agno": ("3.7.0", "3.12", ["agno==3.1.0"]),
    "any-llm": ("3.7.0", "3.12", ["any-llm-sdk[mistral]==1.40.0"]),
}
# (python, what is installed): viewers of traces, at the versions that the pages name.
VIEWERS: dict[str, tuple[str, str]] = {
    "mlflow": ("3.12", "mlflow==3.17.2"),
    "phoenix": ("3.12", "arize-phoenix==20.26.1"),
}
# What frameworks leave open is theirs; pytest would fail for it after the last test.
_NOT_OURS = ("ResourceWarning", "pytest.PytestUnraisableExceptionWarning")
# What the variables that the whole family reads are compared with: the versions that were read.
FAMILY: list[str] = [
    "opentelemetry-instrumentation-genai-openai==1.3b0",
    "opentelemetry-util-genai[upload]==1.3b0",
    "openai>=3,<4",
]
# Pythons on which interpreters end and processes fork otherwise than on the one of `make test`.
INTERPRETERS: tuple[str, ...] = ("3.12", "3.13")

# Lines of the SDK that trio is tried with: one that runs on it, and one that does not.
TRIO: tuple[str, ...] = ("1.12.4", "newest")

# The environments of `make bench-peers`: (mistralai, what else is installed), on one Python. Each
# peer is on the newest line of the SDK that it works with.
PEERS_PYTHON = "3.12"
PEERS: dict[str, tuple[str, list[str]]] = {
    "bare-3.7": ("3.7.0", []),
    "ours-3.7": ("3.7.0", ["opentelemetry-sdk", "--editable", "."]),
    "sdk-3.7": ("3.7.0", ["opentelemetry-sdk"]),
    "openinference": (
        "3.7.0", ["opentelemetry-sdk", "openinference-instrumentation-mistralai==2.2.2"],
    ),
    "ddtrace": ("3.7.0", ["ddtrace==4.16.0"]),
    "braintrust": ("3.7.0", ["braintrust==0.48.1"]),
    "bare-1.12": ("1.12.4", []),
    "ours-1.12": ("1.12.4", ["opentelemetry-sdk", "--editable", "."]),
    "sdk-1.12": ("1.12.4", ["opentelemetry-sdk"]),
    "openllmetry": (
        "1.12.4", ["opentelemetry-sdk", "opentelemetry-instrumentation-mistralai==0.62.4"],
    ),
    "openlit": ("1.12.4", ["opentelemetry-sdk", "openlit==1.45.0"]),
}  # fmt: skip


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


def environment(
    session: nox.Session, name: str, python: str, sdk: str, *more: str, group: str = "test"
) -> str:
    """A virtual environment with this SDK, the plugin and what the tests need; returns its Python.

    Args:
        session: of nox.
        name: of the environment.
        python: its version.
        sdk: a version of mistralai, or ``newest``.
        more: further requirements.
        group: the dependency group that the tests need.
    """
    uv = find_uv_bin()
    venv = Path(".nox") / name
    executable = str(venv / "bin" / "python")
    mistralai = "mistralai" if sdk == "newest" else f"mistralai=={sdk}"
    if not venv.exists():
        session.run(uv, "venv", "--quiet", "--python", interpreter(python), str(venv))
    session.run(uv, "pip", "install", "--quiet", "--python", executable, mistralai, *more,
                "--editable", ".", "--group", group)  # fmt: skip
    return executable


@nox.session(python=False)
@nox.parametrize("sdk", list(MATRIX))
def matrix(session: nox.Session, sdk: str) -> None:
    """Runs the end-to-end tests on one line of the SDK."""
    python, pins = MATRIX[sdk]
    executable = environment(session, f"matrix-{sdk}", python, sdk, *pins)
    left_out = [] if sdk == ONE_MORE else [f"--ignore=tests/end_to_end/{name}" for name in ON_TWO]
    tests = ["tests/end_to_end", "tests/docs/test_readme.py"]
    session.run(executable, "-m", "pytest", *tests, *left_out, *session.posargs)


@nox.session(python=False)
@nox.parametrize("other", list(BESIDE))
def beside(session: nox.Session, other: str) -> None:
    """Runs the tests beside another instrumentation of mistralai."""
    sdk, python, package = BESIDE[other]
    executable = environment(session, f"beside-{other}", python, sdk, package)
    session.run(executable, "-m", "pytest", "tests/beside", *session.posargs)


@nox.session(python=False)
@nox.parametrize("name", list(MIGRATION))
def migration(session: nox.Session, name: str) -> None:
    """Measures anew what an instrumentation records, for the pages that compare."""
    sdk, python, packages = MIGRATION[name]
    executable = environment(session, f"migration-{name}", python, sdk, *packages)
    session.run(executable, "-m", "tests.docs.peers", name)
    if name in ALSO_BESIDE:
        session.run(executable, "-m", "tests.docs.peers", name, "--beside")


@nox.session(python=False)
@nox.parametrize("name", list(FRAMEWORKS))
def frameworks(session: nox.Session, name: str) -> None:
    """Runs the tests of one framework that calls the SDK."""
    sdk, python, packages = FRAMEWORKS[name]
    executable = environment(
        session, f"frameworks-{name}", python, sdk, *packages, group="frameworks"
    )
    ignored = [part for kind in _NOT_OURS for part in ("-W", f"ignore::{kind}")]
    tests = f"tests/frameworks/test_{name.replace('-', '_')}.py"
    session.run(executable, "-m", "pytest", tests, *ignored, *session.posargs)


@nox.session(python=False)
@nox.parametrize("name", list(VIEWERS))
def viewers(session: nox.Session, name: str) -> None:
    """Runs the tests of one viewer, which is started for real."""
    python, package = VIEWERS[name]
    executable = environment(session, f"viewers-{name}", python, "newest", package, group="viewers")
    # Phoenix brings a plugin of its own for pytest, which warns while it is imported.
    tests = ["-p", "no:phoenix", f"tests/viewers/test_{name}.py"]
    session.run(executable, "-m", "pytest", *tests, *session.posargs)


@nox.session(python=False)
def family(session: nox.Session) -> None:
    """Runs the tests that compare this package with an official one, in one process."""
    executable = environment(session, "family", "3.12", "newest", *FAMILY)
    session.run(executable, "-m", "pytest", "tests/family", *session.posargs)


@nox.session(python=False)
@nox.parametrize("python", list(INTERPRETERS))
def interpreters(session: nox.Session, python: str) -> None:
    """Runs the tests of subinterpreters and forks on another Python."""
    executable = environment(session, f"interpreters-{python}", python, "newest")
    session.run(executable, "-m", "pytest", "tests/workers/test_interpreters.py", *session.posargs)


@nox.session(python=False)
@nox.parametrize("sdk", list(TRIO))
def trio(session: nox.Session, sdk: str) -> None:
    """Runs the tests on trio, which breaks eventlet where both are."""
    # The group without hypothesis, whose hook of trio's warns.
    executable = environment(session, f"trio-{sdk}", "3.12", sdk, "trio", group="frameworks")
    tests = "tests/surroundings/test_loops.py"
    session.run(executable, "-m", "pytest", tests, "-k", "trio", *session.posargs)


@nox.session(python=False)
def peers(session: nox.Session) -> None:
    """Measures this package beside others: minutes, and never in CI (`make bench-peers`)."""
    uv = find_uv_bin()
    absent: list[str] = []
    for name, (sdk, packages) in PEERS.items():
        venv = Path(".nox") / f"peers-{name}"
        if not venv.exists():
            session.run(uv, "venv", "--quiet", "--python", interpreter(PEERS_PYTHON), str(venv))
        requirements = [f"mistralai=={sdk}", *packages]
        told = venv / "install.log"
        try:
            with told.open("w") as log:
                session.run(uv, "pip", "install", "--quiet", "--compile-bytecode", "--python",
                            str(venv / "bin" / "python"), *requirements, stderr=log)  # fmt: skip
        except CommandFailed:
            # The page says so in the place of numbers.
            absent.append(f"{name}=not installed: {' '.join(told.read_text().split())[:200]}")
    more = ["--absent", *absent] if absent else []
    session.run(sys.executable, "-m", "benchmarks.peers", *more, *session.posargs)
