# SPDX-License-Identifier: Apache-2.0
"""The emulator itself: the bytes it sends, how it ends a connection, and that the SDK reads it."""

from __future__ import annotations

import gc
import http.client
import importlib
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from emulator import Emulator, serve
from emulator.scenario import load_scenarios

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
START = {"inputs": "Hello", "model": "mistral-small-latest", "stream": True}
SILENT = ("hang", "no_answer")


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with serve() as running:
        yield running


def connect(url: str, body: Any, scenario: str | None = None, **headers: str) -> socket.socket:
    """Send a start of a conversation and return the socket, to see the very bytes."""
    host, _, port = urlsplit(url).netloc.partition(":")
    sock = socket.create_connection((host, int(port)), timeout=5)
    data = json.dumps(body).encode()
    fields = {"Authorization": "Bearer key", "Connection": "close", **headers}
    if scenario is not None:
        fields["x-emulator-scenario"] = scenario
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    head = (
        f"POST /v1/conversations HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: {len(data)}\r\n\r\n"
    )
    sock.sendall(head.encode() + data)
    return sock


def read_all(sock: socket.socket) -> bytes:
    """Read until FIN; a RST raises ConnectionResetError."""
    with sock:
        return b"".join(iter(lambda: sock.recv(65536), b""))


def drain(sock: socket.socket, end: type[OSError]) -> bytes:
    """Read until the error that is expected; return what came before it."""
    received = bytearray()
    with pytest.raises(end):  # noqa: PT012
        while data := sock.recv(65536):
            received += data
    return bytes(received)


def chunks(raw: bytes) -> tuple[list[bytes], bool]:
    """Return the HTTP chunks of an answer and whether the terminating chunk came."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    found: list[bytes] = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            assert rest == b"\r\n"
            return found, True
        found.append(rest[:length])
        rest = rest[length + 2 :]
    return found, False


def post(
    url: str, body: Any, path: str = "/v1/conversations", **headers: str
) -> tuple[int, dict[str, Any]]:
    """Send a request and return the status and the JSON of the answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Authorization": "Bearer key", **headers}
    try:
        connection.request("POST", path, data, {k: v for k, v in fields.items() if v})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def payloads(raw: bytes) -> list[dict[str, Any]]:
    return [json.loads(event.split(b"data: ")[1]) for event in chunks(raw)[0]]


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


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Basic abc"])
def test_without_a_key_the_answer_is_401(emulator: Emulator, authorization: str) -> None:
    status, body = post(emulator.url, START, Authorization=authorization)
    assert status == 401
    assert (body["object"], body["message"], body["code"]) == ("error", "Unauthorized", "1001")


def test_an_unknown_path_is_404(emulator: Emulator) -> None:
    for path in ("/v1/unknown", "/v1/conversations/"):
        status, body = post(emulator.url, START, path)
        assert (status, body["object"], body["code"]) == (404, "error", "3000")


@pytest.mark.parametrize(
    ("path", "body", "location"),
    [
        ("", {"model": "m"}, ["body", "inputs"]),
        ("", {"inputs": "x"}, ["body"]),
        ("", {"inputs": "x", "model": "m", "agent_id": "a"}, ["body"]),
        ("", b"{", ["body"]),
        ("", [], ["body"]),
        ("", {"inputs": "x", "model": "m", "tools": ["web_search"]}, ["body", "tools"]),
        ("/conv_1/restart", {"inputs": "x"}, ["body", "from_entry_id"]),
    ],
)
def test_a_wrong_body_is_422(emulator: Emulator, path: str, body: Any, location: Any) -> None:
    status, answer = post(emulator.url, body, f"/v1/conversations{path}")
    assert status == 422
    assert [item["loc"] for item in answer["detail"]] == [location]
    assert all(item["msg"] and item["type"] for item in answer["detail"])


def test_wrong_headers_are_422(emulator: Emulator) -> None:
    status, answer = post(emulator.url, START, **{"x-emulator-scenario": "nothing"})
    assert status == 422
    assert all(name in answer["detail"][0]["msg"] for name in load_scenarios())
    for value in ("soon", "nan"):
        for header in ("x-emulator-clock-offset", "x-emulator-slower"):
            assert post(emulator.url, START, **{header: value})[0] == 422


def test_it_can_be_told_to_take_its_time(emulator: Emulator) -> None:
    slower = {"x-emulator-slower": "5"}
    events = payloads(read_all(connect(emulator.url, START, "echo", **slower)))
    first, last = (datetime.fromisoformat(events[n]["created_at"][:26]) for n in (0, -1))
    # Seven pauses of 20 ms.
    assert last - first > timedelta(seconds=5 * 0.14 * 0.9)


def test_the_offsets_of_the_clock_add_up() -> None:
    with serve(clock_offset=1000) as emulator:
        offset = {"x-emulator-clock-offset": "-400"}
        events = payloads(read_all(connect(emulator.url, START, "created_at_past", **offset)))
    # Python 3.10 cannot parse the Z.
    times = [datetime.fromisoformat(e["created_at"].replace("Z", "+00:00")) for e in events]
    ahead = times[0] - datetime.now(timezone.utc)
    assert timedelta(seconds=590) < ahead < timedelta(seconds=601)
    assert timedelta(seconds=-3601) < times[-1] - times[0] < timedelta(seconds=-3590)


def test_created_at_may_be_anything(emulator: Emulator) -> None:
    def created_at(scenario: str) -> list[Any]:
        events = payloads(read_all(connect(emulator.url, START, scenario)))
        return [event.get("created_at", "absent") for event in events]

    assert created_at("created_at_missing") == ["absent"] * 3
    assert created_at("created_at_naive") == ["2025-05-27T10:00:00.123456"] * 3
    assert created_at("created_at_garbage") == ["yesterday, at noon"] * 3


def test_attempts_are_counted_for_each_key(emulator: Emulator) -> None:
    def status(key: str) -> int:
        headers = {"Authorization": f"Bearer {key}", "x-emulator-scenario": "retry_then_ok"}
        return post(emulator.url, {**START, "stream": False}, **headers)[0]

    assert [status("one") for _ in range(4)] == [429, 503, 200, 200]
    assert status("two") == 429
    emulator.clear()
    assert status("one") == 429


def test_requests_are_recorded(emulator: Emulator) -> None:
    emulator.clear()
    post(emulator.url, {"inputs": "x"}, "/v1/conversations/conv_1", **{"X-Mine": "yes"})
    post(emulator.url, b"{", "/v1/conversations")
    first, second = emulator.requests
    assert (first.method, first.path) == ("POST", "/v1/conversations/conv_1")
    assert first.headers["x-mine"] == "yes"
    assert first.body == {"inputs": "x"}
    assert second.body is None
    emulator.clear()
    assert emulator.requests == []


def test_a_conversation_remembers_who_answers(emulator: Emulator) -> None:
    path = "/v1/conversations"
    _, started = post(emulator.url, {"inputs": "x", "agent_id": "ag_1"})
    _, appended = post(emulator.url, {"inputs": "y"}, f"{path}/{started['conversation_id']}")
    restart = {"inputs": "z", "from_entry_id": "msg_1"}
    _, again = post(emulator.url, restart, f"{path}/{started['conversation_id']}/restart")
    assert started["conversation_id"] == appended["conversation_id"] != again["conversation_id"]
    for answer in (started, appended, again):
        assert answer["outputs"][0]["agent_id"] == "ag_1"
        assert answer["outputs"][0]["model"] is None
    _, unknown = post(emulator.url, {"inputs": "y"}, f"{path}/conv_unknown")
    assert unknown["outputs"][0]["model"] == "mistral-medium-latest"


def test_the_tools_choose_web_search(emulator: Emulator) -> None:
    _, answer = post(emulator.url, {**START, "stream": False, "tools": [{"type": "web_search"}]})
    assert answer["usage"]["connectors"] == {"web_search": 1}


def test_placeholders_are_replaced_once(emulator: Emulator) -> None:
    hostile = {**START, "inputs": 'a "quote", {model} and {n}'}
    status, body = post(emulator.url, hostile, **{"x-emulator-scenario": "http_429"})
    assert status == 429
    assert body["message"].endswith(': a "quote", {model} and {n}')


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("scenario", [name for name in load_scenarios() if name not in SILENT])
def test_every_scenario_can_be_played(emulator: Emulator, scenario: str, stream: bool) -> None:
    emulator.clear()  # a later attempt may be answered by another scenario, which hangs
    sock = connect(emulator.url, {**START, "stream": stream}, scenario)
    try:
        raw = read_all(sock)
    except ConnectionResetError:
        assert scenario == "reset"
    else:
        # The plain text with which a bug of the emulator itself is answered.
        assert not raw.endswith(b"Internal Server Error")


def test_every_file_is_a_scenario_and_explains_itself() -> None:
    files = {path.stem: path for path in (ROOT / "emulator" / "scenarios").iterdir()}
    assert set(files) == set(load_scenarios())
    for path in files.values():
        assert path.read_text(encoding="utf-8").startswith("# ")


def sdk(url: str) -> Any:
    """Return a client; where the class lives depends on the line of the SDK."""
    for name in ("mistralai.client", "mistralai"):
        module = importlib.import_module(name)
        if hasattr(module, "Mistral"):
            return module.Mistral(api_key="key", server_url=url)
    raise AssertionError("no Mistral class")


# Older lines of the SDK use what newer pydantic deprecates.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("scenario", "outputs", "events"),
    [
        ("answer", ["message.output"], 14),
        ("web_search", ["tool.execution", "message.output"], 9),
        ("handoff", ["agent.handoff", "message.output"], 6),
        ("function_call", ["function.call"], 5),
    ],
)
def test_the_sdk_reads(emulator: Emulator, scenario: str, outputs: list[str], events: int) -> None:
    arguments: dict[str, Any] = {
        "inputs": "Hello",
        "model": "mistral-small-latest",
        "http_headers": {"x-emulator-scenario": scenario},
    }
    with sdk(emulator.url) as client:
        answer = client.beta.conversations.start(**arguments)
        with client.beta.conversations.start_stream(**arguments) as stream:
            read = list(stream)
    assert [output.type for output in answer.outputs] == outputs
    assert len(read) == events
    for event in read:
        # What a model rejects arrives as an "unknown" object: its class says so.
        assert type(event.data).__name__.endswith("Event")
        assert event.data.created_at.tzinfo is not None
    assert read[0].data.conversation_id.startswith("conv_")
    assert read[-1].data.usage.total_tokens == answer.usage.total_tokens > 0


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_one_line_and_stops(stop: signal.Signals) -> None:
    command = [sys.executable, "-m", "emulator", "--port", "0", "--clock-offset", "0.5"]
    process = subprocess.Popen(  # noqa: S603
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        assert post(url, {**START, "stream": False})[0] == 200
        with connect(url, START, "hang") as hanging:
            hanging.recv(1)
            process.send_signal(stop)
            assert process.communicate(timeout=5) == ("", "")
    assert process.returncode == 0
