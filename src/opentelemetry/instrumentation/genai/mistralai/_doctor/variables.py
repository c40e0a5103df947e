# SPDX-License-Identifier: Apache-2.0
"""Reports which environment variables are set, what they mean, and which keep spans away."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

from .. import _environment as env
from .._otel.completion_hook import hook_from_environment
from .report import shown

if TYPE_CHECKING:
    from .report import Report

ENTRY_POINT: Final = "genai-mistralai"
_FAMILY: Final = "OTEL_INSTRUMENTATION_GENAI_"
_SAMPLERS: Final = frozenset({
    "always_on", "always_off", "parentbased_always_on", "parentbased_always_off", "traceidratio",
    "parentbased_traceidratio",
})  # fmt: skip
_SAMPLER_GROUP: Final = "opentelemetry_traces_sampler"
# These variables have one of a few values; the text says what each value means.
_CHOICES: Final[Mapping[str, Mapping[str, str]]] = {
    env.CAPTURE_CONTENT: {
        "no_content": "what users say is not recorded",
        "span_only": "what users say is recorded on spans",
        "event_only": "what users say is recorded on log events",
        "span_and_event": "what users say is recorded on spans and log events",
    },
    env.EMIT_EVENT: {
        "true": "each inference call is a log event, too",
        "false": "no inference call is a log event",
    },
    env.METRIC_NAMES: {
        "v1.41": "metrics have the names of today's dashboards",
        "latest": "metrics have the newest names",
    },
    env.INSIDE_INFERENCE: {
        "adopt": "a call inside another library's span of the same request opens none",
        "record": "a call inside another library's span opens one, too",
    },
    env.SESSION_SPANS: {
        "true": "a realtime session is a span",
        "false": "a realtime session is no span; its tokens are counted",
    },
    "OTEL_INSTRUMENTATION_GENAI_UPLOAD_FORMAT": {
        "json": "the upload hook writes JSON",
        "jsonl": "the upload hook writes lines of JSON",
    },
}
_MEANS: Final[Mapping[str, str]] = {
    "OTEL_SEMCONV_STABILITY_OPT_IN": f"no effect on this package; see {env.METRIC_NAMES}",
    "OTEL_INSTRUMENTATION_GENAI_UPLOAD_BASE_PATH": "where the upload hook writes",
    "OTEL_INSTRUMENTATION_GENAI_UPLOAD_MAX_QUEUE_SIZE": "uploads that may wait; more are dropped",
    "OTEL_SERVICE_NAME": "the name of your service",
    "OTEL_TRACES_EXPORTER": "where spans go under opentelemetry-instrument",
    "OTEL_METRICS_EXPORTER": "where metrics go under opentelemetry-instrument",
    "OTEL_LOGS_EXPORTER": "where log events go under opentelemetry-instrument",
    "MISTRAL_SDK_TELEMETRY": "whether mistralai makes spans of its own; ours replace them",
}
_UPLOAD_PATH: Final = "OTEL_INSTRUMENTATION_GENAI_UPLOAD_BASE_PATH"
_HANDLED: Final = (env.COMPLETION_HOOK, "OTEL_SDK_DISABLED", "OTEL_TRACES_SAMPLER",
                   "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS")  # fmt: skip


def check(report: Report, environment: Mapping[str, str]) -> None:
    """Reports what each variable means."""
    report.section("Environment variables")
    prefixes = ("OTEL_", "MISTRAL_SDK_")
    names = sorted(n for n in environment if n.startswith(prefixes) and environment[n].strip())
    for name in names:
        value = environment[name].strip()
        line = f"{name}={shown(name, value)}"
        if name in _CHOICES:
            _choice(report, name, value, line)
        elif name == env.COMPLETION_HOOK:
            _completion_hook(report, line, environment)
        elif name.startswith(_FAMILY) and name not in _MEANS:
            known = [*_CHOICES, *_MEANS, env.COMPLETION_HOOK]
            close = get_close_matches(name, [n for n in known if n.startswith(_FAMILY)], 1, 0.85)
            if close:
                report.problem(f"{line}: unknown here", f"did you mean {close[0]}?")
            else:
                report.note(f"{line}: unknown here")
        elif not _keeps_away(report, name, value.lower(), line, environment):
            meaning = _MEANS.get(name)
            report.note(f"{line}: {meaning}" if meaning else line)
    if not names:
        report.note("None is set that begins with OTEL_ or MISTRAL_SDK_")


def _choice(report: Report, name: str, value: str, line: str) -> None:
    choices = _CHOICES[name]
    if value.lower() in choices:
        report.good(f"{line}: {choices[value.lower()]}")
    else:
        report.problem(
            f"{line}: unknown, and as if it were not set", f"set it to one of {', '.join(choices)}"
        )


def _completion_hook(report: Report, line: str, environment: Mapping[str, str]) -> None:
    said = _Said()
    loggers = [logging.getLogger("opentelemetry")]
    for logger in loggers:
        logger.addHandler(said)
        logger.propagate = False
    try:
        hook = hook_from_environment()
    finally:
        for logger in loggers:
            logger.removeHandler(said)
            logger.propagate = True
    if hook is not None:
        report.good(f"{line}: called with the content of each inference call")
        return
    found = entry_points(group="opentelemetry_genai_completion_hook")
    names = sorted({point.name for point in found})
    if not names or "needs opentelemetry-util-genai" in "".join(said.messages):
        mend = "pip install 'opentelemetry-instrumentation-genai-mistralai[util]'"
    elif environment[env.COMPLETION_HOOK] not in names:
        mend = f"set it to one of {', '.join(names)}"
    elif not environment.get(_UPLOAD_PATH):
        mend = f"set {_UPLOAD_PATH}"
    else:
        mend = "pip install 'opentelemetry-util-genai[upload]', and see that it can write there"
    report.problem(f"{line}: no hook is called. {' '.join(said.messages)}", mend)


class _Said(logging.Handler):
    """Keeps the log lines that say why a hook could not be loaded."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        cause = record.exc_info[1] if record.exc_info else None
        self.messages.append(record.getMessage() + (f": {type(cause).__name__}" if cause else ""))


def _keeps_away(
    report: Report, name: str, value: str, line: str, environment: Mapping[str, str]
) -> bool:
    """Reports a variable that keeps all spans away; returns whether it does."""
    if name == "OTEL_SDK_DISABLED" and value == "true":
        report.problem(f"{line}: nothing is recorded at all", f"unset {name}")
    elif name == "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS" and {ENTRY_POINT, "*"} & {
        part.strip() for part in value.split(",")
    }:
        report.problem(
            f"{line}: opentelemetry-instrument leaves mistralai alone",
            f"take {ENTRY_POINT} (or *) out of it",
        )
    elif name == "OTEL_TRACES_SAMPLER":
        return _sampler(report, value, line, environment)
    else:
        return False
    return True


def _sampler(report: Report, value: str, line: str, environment: Mapping[str, str]) -> bool:
    ratio = environment.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    if value == "always_off":
        report.problem(f"{line}: no span is recorded", "unset it, or set it to always_on")
    elif value == "parentbased_always_off":
        report.problem(
            f"{line}: a span is recorded only inside a trace that another service has sampled",
            "set it to parentbased_always_on",
        )
    elif value.endswith("traceidratio") and _is_zero(ratio):
        report.problem(
            f"{line} and OTEL_TRACES_SAMPLER_ARG={ratio}: no span is recorded",
            "set OTEL_TRACES_SAMPLER_ARG to a share above 0, such as 0.1",
        )
    elif value not in _SAMPLERS and not entry_points(group=_SAMPLER_GROUP, name=value):
        report.problem(f"{line}: unknown", f"set it to one of {', '.join(sorted(_SAMPLERS))}")
    else:
        return False
    return True


def _is_zero(ratio: str) -> bool:
    try:
        return float(ratio) == 0
    except ValueError:
        return False
