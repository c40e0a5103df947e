# SPDX-License-Identifier: Apache-2.0
"""The deployment past one machine: collectors, Kafka, ingesters, Cassandra, query."""

from __future__ import annotations

from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from tests.deploy.jaegers import run_jaeger, takes
from tests.deploy.parts import ask, fetch, free_ports
from tests.deploy.stores import Cassandra, Kafka

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

_START_SECONDS = 120.0
_PAUSE_SECONDS = 0.1


class Chain:
    """All of its parts, each of which can be killed and started again."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        """Starts everything, and returns when spans are taken and questions answered.

        Args:
            stack: what ends it.
            folder: where it works, and what it keeps.
        """
        (folder / "kafka").mkdir()
        (folder / "cassandra").mkdir()
        self.cassandra = Cassandra(stack, folder / "cassandra")
        self.kafka = Kafka(stack, folder / "kafka")
        self.kafka.part.listens(self.kafka.port)
        self.cassandra.part.listens(self.cassandra.port, _START_SECONDS)

        broker = {"KAFKA_BROKER": f"127.0.0.1:{self.kafka.port}"}
        store = {"CASSANDRA": f"127.0.0.1:{self.cassandra.port}"}
        http, grpc, *rest = free_ports(6)
        self.query_url = f"http://127.0.0.1:{http}"
        self.otlp_urls = [f"http://127.0.0.1:{port}" for port in rest[::2]]
        self.ingesters = [
            run_jaeger(
                stack, "kafka_cassandra/ingester.yaml", folder, {**broker, **store}, f"ingester{n}"
            )
            for n in (1, 2)
        ]
        self.collectors = [
            run_jaeger(
                stack,
                "kafka_cassandra/collector.yaml",
                folder,
                {
                    **broker,
                    "OTLP_HTTP_ENDPOINT": f"127.0.0.1:{rest[2 * n]}",
                    "OTLP_GRPC_ENDPOINT": f"127.0.0.1:{rest[2 * n + 1]}",
                },
                f"collector{n + 1}",
            )
            for n in (0, 1)
        ]
        for collector, url in zip(self.collectors, self.otlp_urls, strict=True):
            collector.until(partial(takes, f"{url}/v1/traces"))
        self.metrics = run_jaeger(stack, "kafka_cassandra/metrics.yaml", folder, broker)
        endpoints = {
            "JAEGER_QUERY_ENDPOINT": f"127.0.0.1:{http}",
            "JAEGER_QUERY_GRPC_ENDPOINT": f"127.0.0.1:{grpc}",
        }
        self.query = run_jaeger(stack, "kafka_cassandra/query.yaml", folder, {**store, **endpoints})
        self._wait_for_answers()

    def restart_database(self) -> None:
        """Kills it and returns when questions are answered again; all ingesters run then."""
        self.cassandra.part.kill()
        self.cassandra.part.start()
        self.cassandra.part.listens(self.cassandra.port, _START_SECONDS)
        for ingester in self.ingesters:
            # One that starts without a database ends; compose.yaml starts it again, too.
            if not ingester.runs:
                ingester.start()
        self._wait_for_answers()

    def trace(self, trace_id: str) -> list[dict[str, Any]]:
        """A trace's spans as the query API answers; none, if there is no such trace."""
        answer: Any = ask(f"{self.query_url}/api/traces/{trace_id}")
        return answer["data"][0]["spans"] if answer else []

    def spans(self, trace_id: str) -> list[str]:
        """The ids of a trace's spans."""
        return [span["spanID"] for span in self.trace(trace_id)]

    def has(self, trace_id: str) -> bool:
        """Whether the query API has any of a trace."""
        return bool(self.spans(trace_id))

    def _wait_for_answers(self) -> None:
        deadline = monotonic() + _START_SECONDS
        while fetch(f"{self.query_url}/api/services")[0] != 200:
            assert monotonic() < deadline, f"no answer; {self.query.says()}"
            # It ends while there are no tables; compose.yaml starts it again, too.
            if not self.query.runs:
                self.query.start()
            sleep(_PAUSE_SECONDS)
