# SPDX-License-Identifier: Apache-2.0
"""OTLP's messages as plain values, flat, by which a test can say what has arrived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

Attributes = dict[str, Any]
Scope = tuple[str, str]


@dataclass(frozen=True)
class Span:
    """A span; ids in hexadecimal, times in ns since the epoch."""

    resource: Attributes
    scope: Scope
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    start: int
    end: int
    status: str
    attributes: Attributes
    links: list[str]


@dataclass(frozen=True)
class Point:
    """A point of a metric; a histogram's value is its count and its sum."""

    resource: Attributes
    scope: Scope
    name: str
    kind: str
    unit: str
    attributes: Attributes
    value: Any


@dataclass(frozen=True)
class Log:
    """A log record."""

    resource: Attributes
    scope: Scope
    event: str
    severity: int
    trace_id: str
    span_id: str
    body: Any
    attributes: Attributes


def spans_of(request: ExportTraceServiceRequest) -> Iterator[Span]:
    """The spans of a request."""
    for of_resource in request.resource_spans:
        resource = _attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield Span(
                    resource,
                    _scope(of_scope.scope),
                    span.name,
                    SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
                    _attributes(span.attributes),
                    [link.span_id.hex() for link in span.links],
                )


def points_of(request: ExportMetricsServiceRequest) -> Iterator[Point]:
    """The points of the counters and histograms of a request."""
    for of_resource in request.resource_metrics:
        resource = _attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_metrics:
            for metric in of_scope.metrics:
                for kind, attributes, value in _points(metric):
                    scope = _scope(of_scope.scope)
                    yield Point(resource, scope, metric.name, kind, metric.unit, attributes, value)


def logs_of(request: ExportLogsServiceRequest) -> Iterator[Log]:
    """The log records of a request."""
    for of_resource in request.resource_logs:
        resource = _attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_logs:
            for record in of_scope.log_records:
                yield Log(
                    resource,
                    _scope(of_scope.scope),
                    record.event_name,
                    record.severity_number,
                    record.trace_id.hex(),
                    record.span_id.hex(),
                    _value(record.body),
                    _attributes(record.attributes),
                )


def _points(metric: Metric) -> Iterator[tuple[str, Attributes, Any]]:
    data = metric.sum if metric.WhichOneof("data") == "sum" else metric.histogram
    sum_of = AggregationTemporality.Name(data.aggregation_temporality).rpartition("_")[2].lower()
    for number in metric.sum.data_points:
        assert metric.sum.is_monotonic
        value = getattr(number, number.WhichOneof("value") or "")
        yield f"{sum_of} counter", _attributes(number.attributes), value
    for histogram in metric.histogram.data_points:
        value = (histogram.count, histogram.sum)
        yield f"{sum_of} histogram", _attributes(histogram.attributes), value


def _scope(scope: InstrumentationScope) -> Scope:
    return scope.name, scope.version


def _attributes(pairs: Iterable[KeyValue]) -> Attributes:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind) if kind else None
