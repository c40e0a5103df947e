# SPDX-License-Identifier: Apache-2.0
"""Reports the entry points, the exporters, and whether the exporters' endpoints answer."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final, NamedTuple

from .endpoint import Endpoint, probe
from .sdk import installed
from .variables import ENTRY_POINT

if TYPE_CHECKING:
    from .report import Report

_OTLP: Final = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
_PACKAGES: Final = {
    "otlp_proto_grpc": "opentelemetry-exporter-otlp-proto-grpc",
    "otlp_proto_http": "opentelemetry-exporter-otlp-proto-http",
    "prometheus": "opentelemetry-exporter-prometheus",
    "zipkin": "opentelemetry-exporter-zipkin",
    "console": "opentelemetry-sdk",
}
_PROVIDERS: Final = {
    "OTEL_PYTHON_TRACER_PROVIDER": "opentelemetry_tracer_provider",
    "OTEL_PYTHON_METER_PROVIDER": "opentelemetry_meter_provider",
    "OTEL_PYTHON_LOGGER_PROVIDER": "opentelemetry_logger_provider",
    "OTEL_PYTHON_DISTRO": "opentelemetry_distro",
    "OTEL_PYTHON_CONFIGURATOR": "opentelemetry_configurator",
}


class _Signal(NamedTuple):
    """Holds a kind of telemetry by its name, which is also its path in OTLP over HTTP."""

    name: str

    @property
    def variable(self) -> str:
        return f"OTEL_{self.name.upper()}_EXPORTER"

    def setting(self, what: str, environment: Mapping[str, str]) -> str:
        """Returns a setting of OTLP for this signal, else the one for all signals."""
        own = environment.get(f"OTEL_EXPORTER_OTLP_{self.name.upper()}_{what}", "").strip()
        return own or environment.get(f"OTEL_EXPORTER_OTLP_{what}", "").strip()


_SIGNALS: Final = (_Signal("traces"), _Signal("metrics"), _Signal("logs"))


def check(report: Report, environment: Mapping[str, str]) -> None:
    """Reports how the plugin is found, which exporters it gets, and whether they can send."""
    report.section("Under opentelemetry-instrument")
    if entry_points(group="opentelemetry_instrumentor", name=ENTRY_POINT):
        report.good(f"The plugin is found: entry point {ENTRY_POINT}")
    else:
        report.problem(
            f"The entry point {ENTRY_POINT} is missing: opentelemetry-instrument finds no plugin",
            "pip install --force-reinstall opentelemetry-instrumentation-genai-mistralai",
        )
    for variable, group in _PROVIDERS.items():
        name = environment.get(variable, "").strip()
        if name and not entry_points(group=group, name=name):
            known = sorted({point.name for point in entry_points(group=group)})
            report.problem(
                f"{variable}={name} is not installed", f"one of: {', '.join(known) or 'none'}"
            )
    configurators = sorted({p.name for p in entry_points(group="opentelemetry_configurator")})
    if configurators:
        report.good(f"Providers are made by the configurator {', '.join(configurators)}")
    else:
        report.note(
            "No distro is installed, so opentelemetry-instrument makes no providers: your program"
            " makes its own, or: pip install opentelemetry-distro"
        )
    report.section("Exporters")
    if installed("opentelemetry-sdk") is None:
        report.note("None without opentelemetry-sdk")
        return
    endpoints: dict[Endpoint, None] = {}
    for signal in _SIGNALS:
        endpoints.update(dict.fromkeys(_exporters(report, signal, environment)))
    for endpoint in endpoints:
        found = probe(endpoint)
        if found.mend is None:
            report.good(found.text)
        else:
            report.problem(found.text, found.mend)


def _exporters(report: Report, signal: _Signal, environment: Mapping[str, str]) -> list[Endpoint]:
    """Reports which exporters a signal has; returns the endpoints that they send to."""
    by_distro = installed("opentelemetry-distro") is not None
    given = environment.get(signal.variable, "").strip()
    names = [name.strip() for name in given.split(",") if name.strip()]
    if not names and by_distro:
        names = ["otlp"]
    if names in ([], ["none"]):
        why = f"{signal.variable}=none" if names else "made by your program, if at all"
        report.note(f"{signal.name}: {why}")
        # An exporter that a program makes reads the same variables, so its endpoint is probed.
        set_anyway = bool(signal.setting("ENDPOINT", environment))
        return [_endpoint(signal, None, environment)] if set_anyway and not names else []
    endpoints: list[Endpoint] = []
    for name in names:
        protocol = signal.setting("PROTOCOL", environment) or "grpc"
        exporter = _OTLP.get(protocol, protocol) if name == "otlp" else name
        if entry_points(group=f"opentelemetry_{signal.name}_exporter", name=exporter):
            report.good(f"{signal.name}: exporter {exporter}")
            if exporter in _OTLP.values():
                endpoints.append(_endpoint(signal, exporter, environment))
            continue
        package = _PACKAGES.get(exporter)
        mend = f"pip install {package}" if package else f"set {signal.variable} to another one"
        if name == "otlp" and exporter not in _OTLP.values():
            mend = "set OTEL_EXPORTER_OTLP_PROTOCOL to grpc or http/protobuf"
        elif exporter == "otlp_proto_grpc" and installed(_PACKAGES["otlp_proto_http"]) is not None:
            mend += ", or set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
        report.problem(
            f"{signal.name}: exporter {exporter} is not installed, so opentelemetry-instrument"
            " fails to configure",
            mend,
        )
    return endpoints


def _endpoint(signal: _Signal, exporter: str | None, environment: Mapping[str, str]) -> Endpoint:
    if exporter is None:
        http = installed(_PACKAGES["otlp_proto_http"]) is not None
        grpc = signal.setting("PROTOCOL", environment) == "grpc" or not http
    else:
        grpc = exporter == "otlp_proto_grpc"
    headers = signal.setting("HEADERS", environment)
    ca_file = signal.setting("CERTIFICATE", environment)
    url = signal.setting("ENDPOINT", environment)
    own = environment.get(f"OTEL_EXPORTER_OTLP_{signal.name.upper()}_ENDPOINT", "").strip()
    if grpc:
        url = url or "http://localhost:4317"
        url = url if "://" in url else f"http://{url}"
    elif not own:
        url = f"{(url or 'http://localhost:4318').rstrip('/')}/v1/{signal.name}"
    return Endpoint(url, grpc=grpc, headers=headers, ca_file=ca_file)
