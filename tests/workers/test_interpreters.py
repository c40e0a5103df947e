# SPDX-License-Identifier: Apache-2.0
"""Interpreters that end before their process does, and processes that fork."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from emulator import Emulator
from tests.support.systems import needs_posix
from tests.workers.processes import run

pytestmark = needs_posix

# As mod_wsgi and uWSGI do: the main interpreter imports nothing of this. pydantic's core can be in
# one interpreter of a process only.
OUTER: Final = """
import os, sys, sysconfig
import _testcapi
source = open(sys.argv[3]).read()
path, argv = sys.path, sys.argv
prepared = f"import sys\\nsys.path[:] = {path!r}\\nsys.argv = {argv!r}\\n"
code = _testcapi.run_in_subinterp(prepared + source)
os.write(1, b'"destroyed"\\n')
sys.exit(code)
"""
INNER: Final = """
import gc
from tests.workers.inside import *
ended = []
recorded(response_hook=lambda *_: ended.append(1))
client = client_of(URL)
emit(len(list(conversation(client))))
emit(complete(client).choices[0].message.content)
def drop():
    stream = conversation(client, 'hang')
    next(stream)
for _ in range(3):
    drop()
def cycle():
    stream = chat(client, 'chat_hang')
    next(stream)
    stream.itself = stream
cycle()
"""
LEAVES: Final = {
    "at once": "",
    "after they are ended": """
# One is in a cycle.
gc.collect()
assert BARE or wait(lambda: len(ended) == 6), len(ended)
""",
    "with an open stream": "held = conversation(client, 'hang'); next(held)",
}


@pytest.mark.skipif(
    importlib.util.find_spec("_testcapi") is None,
    reason="this Python has no _testcapi, which makes legacy subinterpreters",
)
@pytest.mark.skipif(
    sys.version_info[:3] == (3, 13, 0),
    reason="CPython 3.13.0 crashes bare, in the generator of a stream that is open at the end",
)
@pytest.mark.parametrize("leaves", LEAVES)
def test_a_subinterpreter_that_used_the_plugin_is_destroyed_as_without(
    emulator: Emulator, tmp_path: Path, leaves: str
) -> None:
    inner = tmp_path / "inner.py"
    inner.write_text(INNER + LEAVES[leaves])
    rans: dict[str, Any] = {}
    for kind in ("bare", "instrumented"):
        (tmp_path / kind).mkdir()
        rans[kind] = run(OUTER, tmp_path / kind, emulator.url, kind, str(inner))
    bare, ours = rans["bare"], rans["instrumented"]
    assert (bare.code, bare.said()[-1]) == (0, "destroyed"), bare.stderr
    assert (ours.code, ours.said()) == (bare.code, bare.said()), ours.stderr
    outcomes = [outcome for outcome in ours.outcomes() if outcome == "abandoned"]
    assert len(outcomes) == (5 if "open" in leaves else 4)


# -- Forks ----------------------------------------------------------------------------------------

FORKS: Final = """
import os, sys, threading, warnings
from tests.workers.inside import *
ended = []
recorded(response_hook=lambda *_: ended.append(1))
client = client_of(URL)
def forks():
    # The warnings of a fork, whose child ends well.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        pid = os.fork()
        if pid == 0:
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    return [str(warning.message) for warning in caught]
emit(forks())
complete(client)
emit(forks())
list(conversation(client))
with chat(client) as stream:
    emit(forks())
emit(forks())
def drop():
    next(conversation(client, 'hang'))
drop()
over = lambda: len(ended) == 4 and threading.active_count() == 1
assert BARE or wait(over), threading.enumerate()
emit(forks())
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="older Pythons warn of no fork")
@pytest.mark.parametrize("kind", ["bare", "instrumented"])
def test_a_fork_after_calls_warns_of_no_thread(
    emulator: Emulator, tmp_path: Path, kind: str
) -> None:
    ran = run(FORKS, tmp_path, emulator.url, kind)
    assert ran.code == 0, ran.stderr
    assert ran.said() == [[], [], [], [], [], "shutdown in parent"]
