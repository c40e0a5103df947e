# SPDX-License-Identifier: Apache-2.0
"""`docs/configuration.md` has each argument and variable, what it accepts, and its default."""

from __future__ import annotations

import ast
import importlib
import inspect
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from opentelemetry.instrumentation.genai.mistralai import (
    UNCHANGED,
    MistralAIInstrumentor,
    instrument,
    uninstrument,
)
from opentelemetry.instrumentation.genai.mistralai._otel.configuration import Options
from opentelemetry.instrumentation.genai.mistralai._otel.telemetry import Switch
from tests.examples.running import without_settings
from tests.support.readme_blocks import blocks_of

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs/configuration.md").read_text()
SOURCES: Final = sorted((ROOT / "src").rglob("*.py"))
VARIABLE: Final = re.compile(r"\b(?:OTEL|MISTRAL)_[A-Z0-9_]*[A-Z0-9]\b")
OUR_LOGGER: Final = "opentelemetry.instrumentation.genai.mistralai"
NONSENSE: Final = "no-such-value"
# Its arguments come from the table, as no type checker knows.
SWITCH_ON: Final[Any] = instrument


@dataclass(frozen=True)
class Row:
    """A row of the first table; without an argument or a variable that cell is empty."""

    argument: str
    variable: str
    accepted: str
    default: str

    @property
    def values(self) -> list[str]:
        """What may be given, if the row lists it."""
        listed = re.fullmatch(r"(`[^`]+`(?:, |$))+", self.accepted)
        return re.findall(r"`([^`]+)`", self.accepted) if listed else []


def table(heading: str) -> list[list[str]]:
    """The rows of the table below a heading, without their backticks where they are whole names."""
    _, found, rest = PAGE.partition(f"\n## {heading}\n")
    assert found, heading
    lines = rest.partition("\n## ")[0].splitlines()
    rows = [line.strip("|").split("|") for line in lines if line.startswith("|")][2:]
    return [[cell.strip() for cell in row] for row in rows]


def name_in(cell: str) -> str:
    return cell.strip("`")


ROWS: Final = [
    Row(name_in(argument), name_in(variable), accepted, default)
    for argument, variable, accepted, default, _ in table("Arguments and variables")
]
OTHERS: Final = {name_in(row[0]): row for row in table("Variables of OpenTelemetry")}
OURS: Final = {row.variable for row in ROWS if row.variable}


@pytest.fixture(autouse=True)
def off(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing is on, before and after, and no variable is set."""
    for variable in OURS:
        monkeypatch.delenv(variable, raising=False)
    uninstrument()
    caplog.set_level(logging.DEBUG, OUR_LOGGER)
    yield
    uninstrument()


def options() -> Options:
    assert Switch.telemetry is not None
    return Switch.telemetry.options


def as_option(value: str) -> Any:
    """What the options hold for a value of the table."""
    return value.lower() == "true" if value.lower() in ("true", "false") else value


def field_of(row: Row) -> str:
    return row.argument or "emit_event"


def ours_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith(OUR_LOGGER)]


# Which there are


def test_the_arguments_are_those_of_instrument() -> None:
    parameters = inspect.signature(instrument).parameters
    assert [row.argument for row in ROWS if row.argument] != []
    assert {row.argument for row in ROWS if row.argument} == set(parameters)
    assert {parameter.default for parameter in parameters.values()} == {UNCHANGED}
    assert {field_of(row) for row in ROWS} == {field.name for field in fields(Options)}


def test_the_instrumentor_takes_the_same_and_ignores_others_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    given: dict[str, Any] = {row.argument: None for row in ROWS if row.argument}
    MistralAIInstrumentor().instrument(**given, skip_dep_check=True)
    assert ours_in(caplog) == []
    MistralAIInstrumentor().instrument(no_such_argument=1)
    assert [line for line in ours_in(caplog) if "no_such_argument" in line] == ours_in(caplog)
    assert len(ours_in(caplog)) == 1
    wrong: Any = {"no_such_argument": 1}
    with pytest.raises(TypeError, match="no_such_argument"):
        SWITCH_ON(**wrong)


def test_each_variable_that_the_source_names_is_in_one_of_the_tables() -> None:
    named = {
        (name, path.name)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for name in VARIABLE.findall(node.value)
    }
    # A prefix of names is none.
    left = {
        (name, file)
        for name, file in named
        if name not in OURS | OTHERS.keys()
        and name not in ("OTEL_EXPORTER_OTLP", "OTEL_INSTRUMENTATION_GENAI", "MISTRAL_SDK")
    }
    assert left == set()
    assert OURS & OTHERS.keys() == set()
    assert {name for name, _ in named} >= OURS


def test_the_first_table_has_just_the_variables_that_are_read(tmp_path: Path) -> None:
    program = tmp_path / "spy.py"
    program.write_text(SPY)
    done = subprocess.run(  # noqa: S603 -- ours
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        check=True,
        env=without_settings(),
    )
    assert set(done.stdout.split()) == OURS


# The names that code of the package asks `os.environ` for, while it is switched on and records.
SPY: Final = """
import os, sys

asked = set()
kind = type(os.environ)
get, item = kind.get, kind.__getitem__

def note(name):
    frames, frame = [], sys._getframe(2)
    while frame is not None and len(frames) < 2:
        frames.append(frame.f_code.co_filename.replace(os.sep, "/"))
        frame = frame.f_back
    if any("/genai/mistralai/" in each for each in frames):
        asked.add(name)

def noting_get(self, name, default=None):
    note(name)
    return get(self, name, default)

def noting_item(self, name):
    note(name)
    return item(self, name)

kind.get, kind.__getitem__ = noting_get, noting_item

from emulator import serve
from opentelemetry.instrumentation.genai.mistralai import instrument
from opentelemetry.sdk.trace import TracerProvider

instrument(tracer_provider=TracerProvider())
from tests.support import sdk

with serve() as emulator, sdk.Mistral("key", server_url=emulator.url) as client:
    list(client.beta.conversations.start_stream(model="m", inputs="Hello?"))
print(*asked)
""".replace("import os, sys\n", f"import os, sys\nsys.path.insert(0, {str(ROOT)!r})\n", 1)


# What each accepts

LISTED: Final = [row for row in ROWS if row.values]
VALUES: Final = [(row, value) for row in LISTED for value in row.values]


def test_each_option_with_a_few_values_lists_them() -> None:
    assert {field_of(row) for row in LISTED} == {
        "capture_content", "emit_event", "metric_names", "inside_inference", "session_spans",
        "record_chunk_times",
    }  # fmt: skip


@pytest.mark.parametrize(("row", "value"), VALUES, ids=lambda each: str(each)[-30:])
def test_each_listed_value_is_taken_without_a_word(
    row: Row, value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if row.variable:
        for spelled in (value, value.upper()):
            monkeypatch.setenv(row.variable, spelled)
            instrument()
            assert getattr(options(), field_of(row)) == as_option(value)
            uninstrument()
        monkeypatch.delenv(row.variable)
    if row.argument:
        given: Any = {row.argument: as_option(value)}
        SWITCH_ON(**given)
        assert getattr(options(), row.argument) == as_option(value)
    assert ours_in(caplog) == []


@pytest.mark.parametrize("row", [row for row in LISTED if row.variable], ids=field_of)
def test_another_value_of_a_variable_is_one_warning_and_the_default(
    row: Row, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    instrument()
    default = getattr(options(), field_of(row))
    uninstrument()
    monkeypatch.setenv(row.variable, NONSENSE)
    instrument()
    (said,) = ours_in(caplog)
    assert f"{row.variable}={NONSENSE}" in said
    assert ", ".join(row.values).lower() in said
    assert getattr(options(), field_of(row)) == default


def test_an_unknown_completion_hook_is_one_warning_and_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (row,) = (row for row in ROWS if row.argument == "completion_hook")
    monkeypatch.setenv(row.variable, NONSENSE)
    instrument()
    assert options().completion_hook is None
    # With opentelemetry-util-genai it is that package which warns.
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 1
    assert row.variable in said[0]
    assert NONSENSE in said[0]


def _async() -> Any:
    async def function(*_args: Any, **_kwargs: Any) -> None:
        """Would never be awaited."""

    return function


def _wrong(row: Row) -> list[Any]:
    if row.values:
        return [NONSENSE, 42]
    return [NONSENSE, 42, _async(), lambda: None] if "function" in row.accepted else [NONSENSE, 42]


@pytest.mark.parametrize("row", [row for row in ROWS if row.argument], ids=field_of)
def test_another_argument_is_an_error_before_anything_is_patched(row: Row) -> None:
    for wrong in _wrong(row):
        given: Any = {row.argument: wrong}
        with pytest.raises((TypeError, ValueError), match=row.argument):
            SWITCH_ON(**given)
        assert Switch.telemetry is None


class _Hook:
    def on_completion(self, **_given: Any) -> None:
        """Takes whatever it is told."""


class _Provider:
    def get_meter(self, *_args: Any, **_given: Any) -> Any:
        """Makes none: nothing is recorded here."""

    get_logger = get_meter


def _text(text: str) -> str:
    return text


def _hook(_span: Any, _said: Any) -> None:
    """Adds nothing."""


RIGHT: Final[dict[str, Any]] = {
    "tracer_provider": TracerProvider(shutdown_on_exit=False),
    "meter_provider": _Provider(),
    "logger_provider": _Provider(),
    "redact": _text,
    "request_hook": _hook,
    "response_hook": _hook,
    "completion_hook": _Hook(),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_the_table_describes_in_words_is_taken_and_taken_out_again(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    (row,) = (row for row in ROWS if row.argument == name)
    assert not row.values
    SWITCH_ON(**{name: RIGHT[name]})
    assert getattr(options(), name) is RIGHT[name]
    SWITCH_ON(**{name: None})
    assert getattr(options(), name) is None
    assert ours_in(caplog) == []


# The signatures that the table gives are those that are checked.
def test_hooks_are_described_as_they_are_called() -> None:
    for row in ROWS:
        for name, parameters in re.findall(r"`(\w+)\(([^)]*)\)`", row.accepted):
            assert name == row.argument
            with pytest.raises(TypeError, match=re.escape(f"{name}({parameters})")):
                SWITCH_ON(**{name: lambda: None})


# What is without them


@pytest.mark.parametrize("row", ROWS, ids=field_of)
def test_the_default_is_what_happens_without_it(row: Row, caplog: pytest.LogCaptureFixture) -> None:
    instrument()
    found = getattr(options(), field_of(row))
    words = {"none": None, "the global provider": None}
    if row.argument:
        default = words[row.default] if row.default in words else name_in(row.default)
        assert found == (as_option(default) if default else None)
    else:
        assert found is None
        assert row.default.startswith("as `capture_content`")
    assert ours_in(caplog) == []


@pytest.mark.parametrize(
    ("mode", "says"),
    [("no_content", False), ("span_only", False), ("event_only", True), ("span_and_event", True)],
)
def test_without_a_variable_an_event_is_where_content_goes_to_events(mode: str, says: bool) -> None:
    instrument(capture_content=mode)
    assert Switch.telemetry is not None
    assert Switch.telemetry.emits_details is says


def test_an_argument_wins_and_none_gives_back_to_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_MISTRALAI_METRIC_NAMES", "latest")
    instrument(metric_names="v1.41")
    assert options().metric_names == "v1.41"
    instrument(session_spans=False, metric_names=UNCHANGED)
    assert (options().metric_names, options().session_spans) == ("v1.41", False)
    instrument(metric_names=None)
    assert (options().metric_names, options().session_spans) == ("latest", False)


# Other people's variables


def test_each_variable_of_others_is_one() -> None:
    known: set[str] = set()
    for name in (
        "opentelemetry.sdk.environment_variables",
        "opentelemetry.environment_variables",
        "opentelemetry.instrumentation.environment_variables",
        "opentelemetry.util.genai.environment_variables",
    ):
        known |= {each for each in dir(importlib.import_module(name)) if each.startswith("OTEL_")}
    # The first is in the SDK's code and in no list of it; the second is mistralai's.
    known |= {"OTEL_PYTHON_LOGGER_PROVIDER", "MISTRAL_SDK_TELEMETRY"}
    assert OTHERS.keys() - known == set()
    assert {
        "OTEL_SERVICE_NAME", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_BSP_MAX_QUEUE_SIZE",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "OTEL_TRACES_SAMPLER",
    } <= OTHERS.keys()  # fmt: skip


def _inside(thing: Any, *names: str) -> Any:
    """What is in an object's attributes, and in those of what is found there."""
    for name in names:
        thing = getattr(thing, name)
    return thing


def _processor(name: str) -> Any:
    processor: Any = BatchSpanProcessor(InMemorySpanExporter())
    processor.shutdown()
    return _inside(processor, "_batch_processor", name)


def _upload(parameter: str) -> Any:
    module = importlib.import_module("opentelemetry.util.genai._upload.completion_hook")
    return inspect.signature(module.UploadCompletionHook).parameters[parameter].default


def _interval() -> int:
    reader: Any = PeriodicExportingMetricReader(ConsoleMetricExporter())
    reader.shutdown()
    return int(_inside(reader, "_export_interval_millis"))


def _limits() -> SpanLimits:
    return SpanLimits()


DEFAULTS: Final[dict[str, Callable[[], Any]]] = {
    "OTEL_BSP_SCHEDULE_DELAY": lambda: _processor("_schedule_delay_millis"),
    "OTEL_BSP_MAX_QUEUE_SIZE": lambda: _processor("_max_queue_size"),
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": lambda: _processor("_max_export_batch_size"),
    "OTEL_BSP_EXPORT_TIMEOUT": lambda: _processor("_export_timeout_millis"),
    "OTEL_METRIC_EXPORT_INTERVAL": _interval,
    "OTEL_SERVICE_NAME": lambda: str(Resource.create().attributes["service.name"]).partition(":")[
        0
    ],
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": lambda: _limits().max_span_attributes,
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": lambda: _limits().max_span_attribute_length,
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": lambda: _limits().max_attribute_length,
    "OTEL_INSTRUMENTATION_GENAI_UPLOAD_MAX_QUEUE_SIZE": lambda: _upload("max_queue_size"),
    "OTEL_INSTRUMENTATION_GENAI_UPLOAD_FORMAT": lambda: _upload("upload_format"),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_defaults_of_others_are_theirs(name: str) -> None:
    told = OTHERS[name][2]
    assert ("no limit" if DEFAULTS[name]() is None else f"`{DEFAULTS[name]()}`") == told


def test_the_default_sampler_keeps_all_and_follows_its_parent() -> None:
    assert OTHERS["OTEL_TRACES_SAMPLER"][2] == "`parentbased_always_on`"
    sampler = TracerProvider(shutdown_on_exit=False).sampler
    assert sampler.get_description().startswith("ParentBased{root:AlwaysOnSampler")


def test_the_defaults_under_opentelemetry_instrument(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name, row in OTHERS.items() if row[2] == "`otlp`"]
    assert names == ["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"]
    for name in (*names, "OTEL_EXPORTER_OTLP_PROTOCOL"):
        monkeypatch.delenv(name, raising=False)
        # What the distribution sets is taken away again.
        monkeypatch.setenv(name, "")
        del os.environ[name]
    distro: Any = importlib.import_module("opentelemetry.distro").OpenTelemetryDistro()
    distro.configure()
    assert [os.environ[name] for name in names] == ["otlp"] * 3
    assert OTHERS["OTEL_EXPORTER_OTLP_PROTOCOL"][2].startswith(
        f"`{os.environ['OTEL_EXPORTER_OTLP_PROTOCOL']}`"
    )


def test_the_default_endpoint_and_propagators() -> None:
    exporter: Any = OTLPSpanExporter()
    base, _, path = str(_inside(exporter, "_endpoint")).partition("/v1/")
    exporter.shutdown()
    assert OTHERS["OTEL_EXPORTER_OTLP_ENDPOINT"][2].startswith(f"`{base}` for HTTP")
    assert path == "traces"
    source = inspect.getsource(importlib.import_module("opentelemetry.propagate"))
    assert OTHERS["OTEL_PROPAGATORS"][2].strip("`") in source
    metrics = inspect.getsource(importlib.import_module("opentelemetry.sdk.metrics._internal"))
    told = OTHERS["OTEL_METRICS_EXEMPLAR_FILTER"][2].strip("`")
    assert re.search(rf'OTEL_METRICS_EXEMPLAR_FILTER,\s*"{told}"', metrics)


# The blocks


def test_each_block_runs_or_says_why_not(tmp_path: Path) -> None:
    blocks = blocks_of(PAGE)
    fences = re.findall(r"^```(\w+)$", PAGE, re.M)
    assert [block.language for block in blocks] == fences
    assert " ".join(fences) == "python sh sh"
    for block in blocks:
        if block.not_run:
            assert len(block.not_run) > 10
            continue
        program = tmp_path / "block.py"
        program.write_text(block.code)
        command = [str(program)] if block.language == "python" else block.code.split()[1:]
        done = subprocess.run(  # noqa: S603 -- ours
            [sys.executable, *command],
            capture_output=True,
            text=True,
            check=False,
            env=without_settings(OTEL_SERVICE_NAME="answers", OTEL_TRACES_EXPORTER="none"),
        )
        assert done.returncode in ((0,) if block.language == "python" else (0, 1)), done
        assert done.stderr == ""
        assert block.language == "python" or "OTEL_SERVICE_NAME=answers" in done.stdout
