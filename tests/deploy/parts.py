# SPDX-License-Identifier: Apache-2.0
"""The parts of a deployment as processes: started, asked, killed, brought back, ended."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_Answer = TypeVar("_Answer")

_STOP_SECONDS = 10.0
_PAUSE_SECONDS = 0.02
_ASK_SECONDS = 10.0
# Below the range that the kernel takes for outgoing connections: while a part is down, somebody's
# connection could otherwise be given its port, and it could not come back.
_PORTS = random.sample(range(20000, 32000), 12000)

# Without a proxy, whatever the environment says: all of this stays on the loopback.
_http = build_opener(ProxyHandler({}))


class Part:
    """One process, with all that it starts; killed and started again it is the same part."""

    def __init__(
        self, name: str, command: list[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        """Starts it.

        Args:
            name: of its log in the folder.
            command: what runs.
            folder: where it works, and where its log is.
            environment: what it has besides the tests' own.
        """
        self.name = name
        self._command = command
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self.log = folder / f"{name}.log"
        self.process = self._started()

    def start(self) -> None:
        """Starts it again."""
        self.process = self._started()

    def kill(self) -> None:
        """Ends it as ``kill -9`` does: it has no time to save anything."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Asks it to end; whatever is left of it after a while is killed."""
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def until(self, ask: Callable[[], _Answer | None], seconds: float = 60.0) -> _Answer:
        """What ``ask`` returns as soon as it is not None; the part must not end meanwhile."""
        deadline = monotonic() + seconds
        while (answer := ask()) is None:
            try:
                code = self.process.wait(_PAUSE_SECONDS)
            except subprocess.TimeoutExpired:
                assert monotonic() < deadline, f"no answer in {seconds} s; {self.says()}"
            else:
                raise AssertionError(f"ended with {code}; {self.says()}")
        return answer

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def listens(self, port: int, seconds: float = 60.0) -> None:
        """Returns as soon as it takes connections."""

        def ask_port() -> bool | None:
            with socket.socket() as connection:
                return True if connection.connect_ex(("127.0.0.1", port)) == 0 else None

        self.until(ask_port, seconds)

    def says(self) -> str:
        """The end of its log."""
        return f"log of {self.name}: {self.log.read_text(errors='replace')[-2000:]}"

    def _started(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            # In a group of its own: what it starts ends with it, and Ctrl-C is for the tests, which
            # end it in turn.
            return subprocess.Popen(  # noqa: S603
                self._command,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass


def free_ports(count: int) -> list[int]:
    """So many ports on which nobody listens, and which nobody has been given before."""
    found: list[int] = []
    while len(found) < count:
        # A part that has been given one may not listen yet, or be down.
        port = _PORTS.pop()
        try:
            with socket.create_server(("127.0.0.1", port)):
                found.append(port)
        except OSError:
            continue
    return found


def fetch(url: str, post: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of an answer; status 0 when there is none.

    Args:
        url: the address.
        post: a JSON document to be sent there.
    """
    request = Request(url, post, {"Content-Type": "application/json"})  # noqa: S310
    try:
        with _http.open(request, timeout=_ASK_SECONDS) as response:
            return response.status, response.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()
    except (URLError, OSError):
        return 0, b""


def ask(url: str, post: bytes | None = None) -> Any:
    """The answer's JSON; None when there is no answer, or nothing (yet) at this address."""
    status, body = fetch(url, post)
    if status in (0, 404, 503):
        return None
    assert status == 200, f"{url}: {status} {body!r}"
    return json.loads(body)
