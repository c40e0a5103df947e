# SPDX-License-Identifier: Apache-2.0
"""Servers of the tests' own, on the loopback: how they are started, asked and stopped."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

_Answer = TypeVar("_Answer")
_Running = TypeVar("_Running", bound="Server")

START_SECONDS = 120.0
ANSWER_SECONDS = 60.0
_STOP_SECONDS = 60.0
_PAUSE_SECONDS = 0.005
_ATTEMPTS = 3

# Without a proxy, whatever the environment says: all of this stays on the loopback.
_http = build_opener(ProxyHandler({}))


def without(missing: str) -> NoReturn:
    """Ends a test that lacks a part of the real thing: it skips, and in CI it fails.

    Args:
        missing: what is missing, and how to get it.
    """
    if os.environ.get("CI"):
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)


class ServerExitedError(Exception):
    """A server ended by itself; its log says why."""


class Server:
    """A process that answers over HTTP."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        """Takes charge of a process that has just been started.

        Args:
            process: the server.
            log: the file that gets what it writes.
        """
        self._process = process
        self._log = log

    def wait_until_it_answers(self) -> None:
        """Returns when it does what it is for.

        Raises:
            ServerExitedError: it ended instead.
        """
        raise NotImplementedError

    def fetch(self, request: Request) -> bytes | None:
        """The answer; None for "not there", be it the server or what it is asked for."""
        try:
            with _http.open(request, timeout=ANSWER_SECONDS) as response:
                return bytes(response.read())
        except HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                raise AssertionError(f"{request.full_url}: {error.code} {error.read()!r}") from None
        except (URLError, ConnectionError):
            return None

    def fetch_json(self, url: str) -> Any:
        """The answer's JSON, or None as for `fetch`."""
        answer = self.fetch(Request(url))  # noqa: S310 -- the loopback
        return None if answer is None else json.loads(answer)

    def poll(self, ask: Callable[[], _Answer | None], seconds: float = ANSWER_SECONDS) -> _Answer:
        """Asks until the answer is not None.

        Raises:
            AssertionError: it was, for all these seconds.
            ServerExitedError: the server ended.
        """
        deadline = monotonic() + seconds
        while (answer := ask()) is None:
            try:
                self._process.wait(_PAUSE_SECONDS)
            except subprocess.TimeoutExpired:
                if monotonic() > deadline:
                    raise AssertionError(f"no answer in {seconds} s; {self._says()}") from None
            else:
                raise ServerExitedError(self._says())
        return answer

    def stop(self) -> None:
        """Ends the process and waits for it, so that there is no zombie."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _says(self) -> str:
        return f"{type(self).__name__}'s log: {self._log.read_text(errors='replace')[-2000:]}"


@contextmanager
def running(start: Callable[[], _Running]) -> Generator[_Running]:
    """Runs a server until the block is left.

    Args:
        start: starts it, on free ports; called again when the first try ended by itself.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        server = start()
        try:
            server.wait_until_it_answers()
        except ServerExitedError:
            # Somebody else may have taken a port between its choice and its use.
            if attempt == _ATTEMPTS:
                raise
            continue
        except BaseException:
            server.stop()
            raise
        try:
            yield server
        finally:
            server.stop()
        return


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on."""
    with ExitStack() as held:
        # All at once, so that no two are the same.
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [bound.getsockname()[1] for bound in sockets]


def launch(command: list[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Starts a process that writes to a file.

    Args:
        command: the binary and its arguments.
        log: the file, which is emptied.
        environment: the whole of it.
    """
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 -- the tests' own servers
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
