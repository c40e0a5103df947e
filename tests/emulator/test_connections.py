# SPDX-License-Identifier: Apache-2.0
"""The bytes that the emulator sends, and how it ends a connection."""

from __future__ import annotations

import gc
import json
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from freezegun import freeze_time

from emulator import Emulator, serve
from tests.support.raw_http import SILENT, START, chunks, connect, drain, read_all

if TYPE_CHECKING:
    pass


def test_each_event_is_one_chunk_and_arrives_at_once(emulator: Emulator) -> None:
    sock = connect(emulator.url, START)
    first = sock.recv(65536)
    while b"conversation.response.started" not in first:
        first += sock.recv(65536)
    assert b"conversation.response.done" not in first
    events, complete = chunks(first + read_all(sock))
    assert complete
    assert len(events) == 14
    for event in events:
        name, data, *end = event.split(b"\n")
        assert name == b"event: " + json.loads(data.removeprefix(b"data: "))["type"].encode()
        assert end == [b"", b""]


def test_split_events_are_several_chunks(emulator: Emulator) -> None:
    parts, complete = chunks(read_all(connect(emulator.url, START, "split")))
    assert complete
    assert len(parts) == 9
    assert b"".join(parts).decode().count("\n\n") == 3


def test_ten_thousand_deltas_are_fast(emulator: Emulator) -> None:
    # Of this process's own time, whatever else the machine is busy with.
    begin = time.process_time()
    events, complete = chunks(read_all(connect(emulator.url, START, "long")))
    assert complete
    assert len(events) == 10_002
    assert b'"word 9999 "' in events[10_000]
    assert time.process_time() - begin < 10


def test_cut_is_a_fin_without_the_last_chunk(emulator: Emulator) -> None:
    events, complete = chunks(read_all(connect(emulator.url, START, "cut")))
    assert (len(events), complete) == (3, False)


def test_inside_event_sends_half_an_event(emulator: Emulator) -> None:
    events, complete = chunks(read_all(connect(emulator.url, START, "inside_event")))
    assert (len(events), complete) == (4, False)
    assert b"\n\n" not in events[-1]


def test_reset_is_a_rst_after_the_events(emulator: Emulator) -> None:
    sock = connect(emulator.url, START, "reset")
    with sock:
        received = drain(sock, ConnectionResetError)
    assert len(chunks(received)[0]) == 3


def test_refuse_sends_no_byte(emulator: Emulator) -> None:
    assert read_all(connect(emulator.url, START, "refuse")) == b""


def test_no_document_is_complete_when_the_connection_is_cut(emulator: Emulator) -> None:
    raw = read_all(connect(emulator.url, {**START, "stream": False}, "cut"))
    head, _, body = raw.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert 0 < len(body) < length


@pytest.mark.parametrize(("scenario", "sent"), [("hang", True), ("no_answer", False)])
def test_silence_does_not_keep_the_server(scenario: str, sent: bool) -> None:
    with serve() as emulator:
        sock = connect(emulator.url, START, scenario)
        sock.settimeout(0.5)
        assert bool(drain(sock, TimeoutError)) is sent
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 2
    sock.close()


def test_a_client_that_leaves_does_not_harm_the_server(emulator: Emulator) -> None:
    for scenario in ("long", *SILENT):
        sock = connect(emulator.url, START, scenario)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    assert chunks(read_all(connect(emulator.url, START, "agent")))[1]


def test_serve_leaves_nothing_behind() -> None:
    before = set(threading.enumerate())
    with serve() as emulator:
        port = urlsplit(emulator.url).port
        assert port
    gc.collect()  # a socket left open would warn here, and warnings are errors
    assert set(threading.enumerate()) == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_a_clock_that_was_frozen_meanwhile_does_not_keep_the_emulator_from_stopping() -> None:
    before = set(threading.enumerate())
    with serve() as running:
        (thread,) = (
            each for each in threading.enumerate() if each.name == "emulator" and each not in before
        )
        # freezegun looks at each name of each module: the SDK would build its lazy models with a
        # frozen datetime, for all tests after this one.
        with freeze_time("2010-01-01", ignore=["mistralai"]):
            for _ in range(3):
                read_all(connect(running.url, START, "agent"))
    assert not thread.is_alive()
