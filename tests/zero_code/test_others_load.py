# SPDX-License-Identifier: Apache-2.0
"""When this plugin cannot be loaded, the program runs, and the other instrumentations load."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

import opentelemetry.instrumentation.genai.mistralai as plugin
from tests.support.systems import needs_posix
from tests.zero_code.commands import COMMANDS, ROOT, environment, run, script_of
from tests.zero_code.expected import ANSWERS, HTTP_SCOPE

if TYPE_CHECKING:
    from emulator import Emulator
    from tests.zero_code.receiver import Receiver

pytestmark = needs_posix

# Written for an SDK that has no conversations yet.
OLD = """
import os
from mistralai import Mistral
client = Mistral(api_key="none", server_url=os.environ["MISTRAL_SERVER_URL"])
answer = client.chat.complete(
    model="mistral-small-latest", messages=[{"role": "user", "content": "Hello?"}]
)
print(answer.choices[0].message.content)
"""


def old_environment(folder: Path) -> Path:
    """A Python with an SDK from before the supported range; what else is in it is of today."""
    uv, python = find_uv_bin(), folder / "bin" / "python"
    create = [uv, "venv", "--quiet", "--python", sys.executable, str(folder)]
    install = [uv, "pip", "install", "--quiet", "--python", str(python), "mistralai==1.5.0",
               "--editable", str(ROOT), "--group", f"{ROOT}/pyproject.toml:zero"]  # fmt: skip
    for command in (create, install):
        subprocess.run(command, check=True, cwd=ROOT)  # noqa: S603 -- a command of ours
    return python.parent


def test_a_version_out_of_range_gives_one_line(
    emulator: Emulator, receiver: Receiver, tmp_path: Path
) -> None:
    folder = old_environment(tmp_path / "old")
    program = tmp_path / "old.py"
    program.write_text(OLD)
    command = COMMANDS["A script"].replace("-m examples.zero_code.ask", str(program))
    script = script_of("A script", endpoint=receiver.url).replace(COMMANDS["A script"], command)
    variables = environment(emulator.url)
    code, out, err = run(script, {**variables, "PATH": f"{folder}:{variables['PATH']}"})
    assert (code, out) == (0, "A completion is read chunk by chunk.\n")
    [line] = err.splitlines()
    assert line.startswith("genai-mistralai only instruments ")
    assert 'currently installed version ("mistralai 1.5.0") falls outside of that range' in line
    assert {span.scope[0] for span in receiver.spans} == {HTTP_SCOPE}


# What is appended to a module of a copy of the plugin, or None for a file that a full disk has
# emptied in the middle of an upgrade; and what is logged, once.
BROKEN = {
    "_switch.py": (None, "Importing of genai-mistralai failed, skipping it"),
    "_sdk/patching.py": (
        "def patch(**_): raise RuntimeError\n",
        "telemetry failed (instrument): RuntimeError at ",
    ),
}


@pytest.mark.parametrize("module", BROKEN)
def test_a_broken_copy_leaves_the_others_alone(
    emulator: Emulator, receiver: Receiver, tmp_path: Path, module: str
) -> None:
    appended, logged = BROKEN[module]
    copy = tmp_path.joinpath(*plugin.__name__.split("."))
    shutil.copytree(Path(plugin.__file__).parent, copy)
    intact = (copy / module).read_text()
    (copy / module).write_text(f"{intact}\n{appended}" if appended else "")
    script = script_of("A script", endpoint=receiver.url)
    code, out, err = run(script, environment(emulator.url, PYTHONPATH=str(tmp_path)))
    assert (code, out) == (0, ANSWERS)
    assert err.startswith(logged)
    # OpenTelemetry's word for having given up on all later ones.
    assert "auto initialize" not in err
    assert str(copy) in err
    assert [(span.scope[0], span.name) for span in receiver.spans] == [(HTTP_SCOPE, "POST")] * 2
