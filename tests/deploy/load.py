# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.deploy.load``: what the parts of the deployments cost under load.

Real parts (see `chain`) are sent what real conversations export, with ids of their own, at a fixed
rate. CPU is what the kernel says that a process used, so that neighbours of the machine change it
little. ``docs/scale.md`` has the answers. Takes a quarter of an hour.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

from mistralai.client import Mistral
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from benchmarks.scale_bytes import SHAPES
from emulator import serve
from opentelemetry.instrumentation.genai.mistralai import instrument, uninstrument
from tests.deploy.chain import Chain
from tests.deploy.jaegers import run_collector, takes
from tests.deploy.monitoring import total
from tests.deploy.sink import serve_handler

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.deploy.parts import Part

_BATCH: Final = 512
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
RATES: Final = (100, 1000)
# Until which all must be stored, in seconds.
_PATIENCE: Final = 150.0


class Nowhere(BaseHTTPRequestHandler):
    """Takes whatever is sent."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answers 200."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing."""


class Batch:
    """A full export of conversations of one shape, again and again with other trace ids."""

    def __init__(self, shape: str, spans: int = _BATCH) -> None:
        """Holds the conversations, of so many spans together."""
        self.conversations = spans // SHAPES[shape].spans
        memory = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(memory))
        instrument(tracer_provider=provider)
        try:
            chosen = SHAPES[shape]
            headers = {"x-emulator-scenario": chosen.scenario}
            with serve() as emulator, Mistral(api_key="-", server_url=emulator.url) as client:
                ask = client.beta.conversations.start_stream
                for _ in range(self.conversations):
                    list(ask(inputs="Hello", http_headers=headers, **chosen.asked))
        finally:
            uninstrument()
        request = encode_spans(memory.get_finished_spans())
        scopes = [each for resource in request.resource_spans for each in resource.scope_spans]
        ids = [span.trace_id for scope in scopes for span in scope.spans]
        self.spans = len(ids)
        self._ids = sorted(set(ids))
        self._body = request.SerializeToString()

    def fresh(self) -> bytes:
        """Its bytes, with new ids of the traces."""
        body: bytes = self._body
        for trace_id in self._ids:
            body = body.replace(trace_id, os.urandom(16))
        return body


@dataclass
class Usage:
    """What a process has used so far."""

    seconds: float
    """Of a core."""
    mebibytes: float
    """In memory now."""


def usage(part: Part) -> Usage:
    """As the kernel says."""
    fields = Path(f"/proc/{part.process.pid}/stat").read_text().rpartition(")")[2].split()
    return Usage((int(fields[11]) + int(fields[12])) / _TICKS, int(fields[21]) * _PAGE / 2**20)


def send(urls: Sequence[str], batch: Batch, rate: float, seconds: float) -> int:
    """Sends so many conversations a second; returns how many were taken, in spans."""
    taken = [0] * len(urls)
    began = monotonic()

    def run(number: int) -> None:
        connection = HTTPConnection(urls[number].removeprefix("http://"), timeout=60)
        pause = batch.conversations / rate * len(urls)
        due = began + pause * number / len(urls)
        while due < began + seconds:
            body = batch.fresh()
            sleep(max(0.0, due - monotonic()))
            connection.request(
                "POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"}
            )
            response = connection.getresponse()
            response.read()
            taken[number] += batch.spans if response.status == 200 else 0
            due += pause

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(urls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(taken)


def report(what: str, before: Mapping[str, Usage], after: Mapping[str, Usage], took: float) -> None:
    """Tells CPU and memory of each part."""
    for name, now in after.items():
        cpu = 100 * (now.seconds - before[name].seconds) / took
        sys.stdout.write(f"{what}: {name}: {cpu:.1f} % of a core, {now.mebibytes:.0f} MiB\n")
    sys.stdout.flush()


def load_collector(shape: str, rate: float, settings: Mapping[str, str]) -> None:
    """The Collector that samples: its verdicts come after a while, which must be over."""
    wait = int(settings["DECISION_WAIT"].removesuffix("s"))
    batch = Batch(shape)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = stack.enter_context(serve_handler(Nowhere))
        part, http = run_collector(stack, folder, port, f"http://127.0.0.1:{port}", settings)
        url = f"http://127.0.0.1:{http}"
        part.until(lambda: takes(f"{url}/v1/traces"))
        sent = send([url], batch, rate, wait + 5)
        before, began = {"collector": usage(part)}, monotonic()
        sent += send([url], batch, rate, 30)
        report(f"{shape}, {rate}/s", before, {"collector": usage(part)}, monotonic() - began)
        sys.stdout.write(
            f"  {sent} spans taken, refused: {total(part, 'receiver_refused_spans')}\n"
        )


def load_chain(chain: Chain, shape: str, rate: float, seconds: float) -> None:
    """Collectors, Kafka, ingesters and Cassandra, until all is stored."""
    # As each of many programs sends them; a batch is one partition's, and written span after span.
    batch = Batch(shape, 64)
    parts: dict[str, Part] = {
        "collector 1": chain.collectors[0],
        "ingester 1": chain.ingesters[0],
        "ingester 2": chain.ingesters[1],
        "kafka": chain.kafka.part,
        "cassandra": chain.cassandra.part,
    }

    def stored() -> float:
        return sum(total(part, "exporter_sent_spans") for part in chain.ingesters)

    already = stored()
    before, began = {name: usage(part) for name, part in parts.items()}, monotonic()
    sent = send(chain.otlp_urls, batch, rate, seconds)
    took, done = monotonic() - began, stored() - already
    while (there := stored() - already) < sent and monotonic() < began + _PATIENCE:
        sleep(0.2)
    whole = monotonic() - began
    after = {name: usage(part) for name, part in parts.items()}
    report(f"{shape}, {rate}/s", before, after, whole)
    ingested = {name for name in parts if "ingester" in name}
    sys.stdout.write(
        f"  {sent} spans sent at {sent / took:.0f}/s, {done / took:.0f}/s stored meanwhile; "
        f"{there:.0f} stored in {whole:.0f} s, {there / whole:.0f}/s\n"
    )
    for names in ({"collector 1"}, ingested, {"kafka"}, {"cassandra"}):
        cpu = sum(after[name].seconds - before[name].seconds for name in names)
        each = 1e6 * cpu / there * (2 if "collector 1" in names else 1)
        sys.stdout.write(f"  {', '.join(sorted(names))}: {each:.0f} us of CPU a span\n")
    sys.stdout.flush()


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.load", description=__doc__)
    parser.add_argument("--wait", type=int, default=60, help="DECISION_WAIT of the Collector")
    # Enough for all, so that what it needs is seen and not what it may have.
    parser.add_argument("--memory", type=int, default=8192, help="its MEMORY_LIMIT_MIB")
    parser.add_argument("--only", choices=["collector", "chain"])
    chosen = parser.parse_args()
    settings = {"DECISION_WAIT": f"{chosen.wait}s", "MEMORY_LIMIT_MIB": str(chosen.memory)}
    shapes = (next(iter(SHAPES)), list(SHAPES)[-1])
    if chosen.only != "chain":
        for shape in shapes:
            for rate in RATES:
                load_collector(shape, rate, settings)
    if chosen.only != "collector":
        with ExitStack() as stack:
            chain = Chain(stack, Path(stack.enter_context(tempfile.TemporaryDirectory())))
            # To warm up: the consumer group, the tables and the compilers of Java.
            load_chain(chain, shapes[0], RATES[0], 10)
            for shape, rate in ((shapes[0], 100), (shapes[0], 1000), (shapes[1], 100)):
                load_chain(chain, shape, rate, 10)


if __name__ == "__main__":
    main()
