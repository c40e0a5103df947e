# SPDX-License-Identifier: Apache-2.0
"""Run the emulator on a real socket, in a background thread."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import uvicorn

from emulator.app import EmulatorApp
from emulator.state import RecordedRequest, State

if TYPE_CHECKING:
    from collections.abc import Generator


class Emulator:
    """A running emulator: its address and what it was asked."""

    def __init__(self, url: str, state: State) -> None:
        """Build a view of the state of the server thread."""
        self.url = url
        self._state = state

    @property
    def requests(self) -> list[RecordedRequest]:
        """The HTTP requests received so far, oldest first (a copy)."""
        return self._state.requests()

    def clear(self) -> None:
        """Forget the recorded requests and the counted attempts."""
        self._state.clear()


_THREAD = "emulator"
_seconds: Final = (
    partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    if hasattr(time, "CLOCK_MONOTONIC")
    else time.monotonic
)


def _is_of_another(record: logging.LogRecord) -> bool:
    """Whether a log record of uvicorn's is not ours: broken connections are our daily work."""
    return record.threadName != _THREAD


class _Server(uvicorn.Server):
    """uvicorn that says when it is ready and does not wait for hanging answers at its end."""

    def __init__(self, config: uvicorn.Config, app: EmulatorApp) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._emulator_app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # A scenario that hangs never ends by itself: uvicorn would wait for it for ever.
        self._emulator_app.abort_open_requests()
        await super().shutdown(sockets)


@contextmanager
def listen(host: str, port: int, clock_offset: float) -> Generator[Emulator]:
    """Serve on ``host:port`` (0 = a free port) until the block is left."""
    state = State(clock_offset)
    app = EmulatorApp(state)
    config = uvicorn.Config(
        app,
        http="h11",
        loop="asyncio",
        # The emulator is used without websockets, too, by whoever has no sessions.
        ws="websockets-sansio" if find_spec("websockets") else "none",
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        lifespan="off",
        proxy_headers=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=1,
        # On a busy machine a client may take its time between two requests.
        timeout_keep_alive=120,
    )
    # Not by a level: a program that is a uvicorn server itself would fall silent with us.
    logging.getLogger("uvicorn.error").addFilter(_is_of_another)
    server = _Server(config, app)
    listener = socket.create_server((host, port))
    # Accepted sockets inherit it. asyncio sets it only where the protocol was named, and without it
    # a second chunk waits 40 ms for the acknowledgement of the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def serve() -> None:
        # Tests with frozen time replace the loop's clock for all threads: what was to be done in a
        # tenth of a second was then due in fifty years, and the emulator did not stop.
        vars(asyncio.get_running_loop())["time"] = _seconds
        await server.serve(sockets=[listener])

    def run() -> None:
        try:
            asyncio.run(serve())
        finally:
            server.ready.set()  # also when startup failed: the caller must not wait for ever

    thread = threading.Thread(target=run, name=_THREAD, daemon=True)
    thread.start()
    try:
        server.ready.wait()
        if not server.started:
            raise RuntimeError("the emulator did not start")
        yield Emulator(f"http://{host}:{listener.getsockname()[1]}", state)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@contextmanager
def serve(*, clock_offset: float = 0.0) -> Generator[Emulator]:
    """Serve on a free port of 127.0.0.1 until the block is left."""
    with listen("127.0.0.1", 0, clock_offset) as emulator:
        yield emulator
