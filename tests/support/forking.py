# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.support.forking FOLDER``: runs each program of a folder in a fork of its own.

The SDK takes seconds to import, so that is done once. A program is ``NAME.py``; what it printed
comes into ``NAME.out`` and ``NAME.err``, its exit status into ``NAME.code``.
"""

from __future__ import annotations

import gc
import os
import runpy
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Final

from tests.support import sdk

# What most programs need; none of it does anything when it is imported.
_WARM: Final = (
    "opentelemetry.sdk.metrics.export",
    "opentelemetry.sdk.trace.export",
    "opentelemetry.instrumentation.genai.mistralai",
)


def main(folder: Path) -> None:
    """Runs all programs, one after another; a child returns from here to its own exit."""
    for name in _WARM:
        import_module(name)
    # The SDK imports much, and makes validators, when its parts are first asked.
    with sdk.Mistral(api_key="none", server_url=os.environ["MISTRAL_SERVER_URL"]) as client:
        client.beta.conversations.start(model="m", inputs="Hello?")
        for _ in client.beta.conversations.start_stream(model="m", inputs="Hello?"):
            pass
    # What is there is not looked at again by each child.
    gc.freeze()
    for program in sorted(folder.glob("*.py")):
        pid = os.fork()
        if pid == 0:
            _run(program)
            return
        _, status = os.waitpid(pid, 0)
        program.with_suffix(".code").write_text(str(os.waitstatus_to_exitcode(status)))


def _run(program: Path) -> None:
    for descriptor, suffix in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(program.with_suffix(suffix), os.O_WRONLY | os.O_CREAT), descriptor)
    warnings.simplefilter("error")
    sys.argv = [str(program)]
    runpy.run_path(str(program), run_name="__main__")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
