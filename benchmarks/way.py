# SPDX-License-Identifier: Apache-2.0
"""How long the way of a call through the plugin is: the files it enters, and their lines.

``python -m benchmarks.way`` lists them. Whoever wants to know what the plugin does to a call has to
open these files. The call is made with the real SDK over HTTP, with spans and metrics recorded. It
is the second of its kind in the process: the first one loads the SDK's modules, and what patches
them is not on the way of each call.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from mistralai.client import Mistral
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from emulator import serve
from opentelemetry.instrumentation.genai import mistralai

_SOURCE: Final = f"{Path(mistralai.__file__).parent}/"


class Way(NamedTuple):
    """What one call went through.

    Attributes:
        files: below the package's folder, in the order in which they are entered.
        functions: how many distinct ones were entered.
        entries: how often one of them was entered.
    """

    files: tuple[str, ...]
    functions: int
    entries: int

    @property
    def lines(self) -> int:
        """The lengths of the files, added up."""
        return sum(map(length, self.files))


def length(file: str) -> int:
    """The number of lines of a file of the package.

    Args:
        file: below the package's folder.
    """
    return len(Path(_SOURCE, file).read_text().splitlines())


def follow(use: Callable[[], object]) -> Way:
    """Follows this thread through the plugin while it makes a call.

    Args:
        use: makes it.
    """
    entered: dict[str, None] = {}
    functions: set[CodeType] = set()
    entries = 0

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal entries
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(_SOURCE):
            entered.setdefault(code.co_filename[len(_SOURCE) :])
            functions.add(code)
            entries += 1

    # A collection may enter the plugin for a call that somebody dropped earlier.
    gc.collect()
    gc.disable()
    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        use()
    finally:
        sys.setprofile(before)
        gc.enable()
    return Way(tuple(entered), len(functions), entries)


def chat(client: Mistral) -> None:
    """One `chat.complete`."""
    asked: Any = [{"role": "user", "content": "Hello?"}]
    client.chat.complete(model="m", messages=asked)


def conversation(client: Mistral) -> None:
    """One streamed conversation, read to its end."""
    for _ in client.beta.conversations.start_stream(model="m", inputs="Hello?"):
        pass


WAYS: Final[dict[str, Callable[[Mistral], None]]] = {"chat": chat, "conversation": conversation}


def measure(name: str) -> Way:
    """Switches the plugin on with providers in memory, and follows the second call of a kind.

    Args:
        name: of ``WAYS``.
    """
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    meter_provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    with serve() as emulator, Mistral(api_key="key", server_url=emulator.url) as client:
        mistralai.instrument(tracer_provider=tracer_provider, meter_provider=meter_provider)
        try:
            WAYS[name](client)
            return follow(lambda: WAYS[name](client))
        finally:
            mistralai.uninstrument()


def main() -> None:
    """Prints the way of each call."""
    for name in WAYS:
        way = measure(name)
        entered = f"{way.functions} functions, entered {way.entries} times"
        files = [f"  {length(file):5} {file}" for file in way.files]
        head = f"{name}: {len(files)} files, {way.lines} lines; {entered}"
        sys.stdout.write("\n".join([head, *files, ""]))


if __name__ == "__main__":
    main()
