# SPDX-License-Identifier: Apache-2.0
"""Telemetry never raises: a failure is forced behind each guard of the source, one row for each.

A call is made without a failure, then again for each line that the guard guards, which raises as it
is about to run. The caller's result is the same, our log has one line without the failure's words,
every span has ended, and what the row does not name as lost is as it was.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from emulator import Emulator
from opentelemetry.instrumentation.genai.mistralai._otel.open_calls import OpenCalls
from opentelemetry.instrumentation.genai.mistralai._sdk.calls import Method
from tests.support import guarded_calls as calls
from tests.support import sdk
from tests.support.guarded_calls import Scene, Seen, Stage, broken, perform
from tests.support.guards import Guard, Tracer, guards
from tests.support.recording import Recording

WORDS: Final = "the user's words"
# Realtime sessions came with mistralai 1.12.
WEBSOCKETS: Final = "mistralai.extra.realtime"
UTIL: Final = "opentelemetry.util.genai.completion_hook"
CONTENT: Final[dict[str, Any]] = {"capture_content": "span_and_event"}


@dataclass
class Row:
    """What is known of a guard.

    Attributes:
        scene: a call that comes by.
        says: what our log line names as having failed, a pattern; None: see `why`.
        lost: what is missing, or there instead, when all behind the guard fails.
        maybe: the same, if a thread of ours is quicker.
        options: of `instrument`.
        around: is entered around the call.
        before: what is logged without the failure, too.
        unsaid: whether that is what fails to be logged.
        needs: a module of an extra.
        since: the version of the SDK that came with what the scene calls.
        why: nothing is logged.
    """

    scene: Scene
    says: str | None
    lost: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    maybe: tuple[str, ...] = ()
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    before: tuple[str, ...] = ()
    unsaid: bool = False
    needs: str | None = None
    since: tuple[int, ...] = (0,)
    why: str = ""


class Hook:
    """A completion hook."""

    def on_completion(self, **told: Any) -> None:
        """Marks the span."""
        told["span"].set_attribute("hook", "was here")


def response_hook(span: Any, _response: Any) -> None:
    span.set_attribute("hook", "was here")


# What a failure may cost: facts of `guarded_calls.perform` that begin so.
METRICS: Final = "metric "
CHAT: Final = ("chat m: ", METRICS)
ANSWER: Final = r"chat m(istral-medium-latest)?: (gen_ai\.(response|usage)|mistral_ai\.usage)"
INPUT: Final = r".*: gen_ai\.input\.messages="
OUTPUT: Final = r".*: gen_ai\.output\.messages="
TOOL: Final = "execute_tool (add|web_search): "
SAID_BY_TOOL: Final = r"execute_tool (add|web_search): gen_ai\.tool\.call\.(arguments|result)="
TOOLS: Final = r"metric gen_ai\.execute_tool\.duration: "
LOOPS: Final = r"metric gen_ai\.invoke_agent\."
ERROR: Final = (
    r"chat m: (ERROR|UNSET|error\.type|event exception|http\.|mistral_ai\.error)",
    r"metric gen_ai\.client\.operation\.duration: ",
)

ROWS: Final[dict[Guard, Row]] = {
    Guard("_otel/adopted.py", "AdoptedCall.plan"): Row(
        calls.chat_of_a_framework, "measure a call", (METRICS,)
    ),
    Guard("_sdk/loops.py", "Run.learned"): Row(
        calls.loop, "capture content", (INPUT, OUTPUT), CONTENT
    ),
    Guard("_sdk/loops.py", "RunStream._stopped"): Row(
        calls.loop_streamed, "end a loop", (r"invoke_agent: gen_ai\.conversation\.id=", LOOPS)
    ),
    Guard("_sdk/calls.py", "_begin"): Row(calls.chat, "start a call", CHAT),
    Guard("_sdk/calls.py", "_stopped"): Row(
        calls.refused, "end a call", (*ERROR, r"log gen_ai\.client\.operation\.exception ")
    ),
    Guard("_sdk/unrecorded.py", "give_up"): Row(
        calls.chat,
        "give a call up",
        around=lambda: broken(Method, "returned"),
        before=("hand a result over",),
    ),
    Guard("_otel/child_spans.py", "ChildSpan.plan"): Row(calls.loop, "measure a tool", (TOOLS,)),
    Guard("_content/cleaning.py", "Redactor.shown"): Row(
        calls.chat, "redact", (INPUT,), {**CONTENT, "redact": str.upper}
    ),
    Guard("_content/messages.py", "read_content"): Row(
        calls.chat, "read what is asked", (INPUT,), CONTENT
    ),
    Guard("_otel/completion_hook.py", "hook_from_environment"): Row(
        calls.chat, "load the completion hook", around=calls.named_hook, needs=UTIL
    ),
    Guard("_otel/completion_hook.py", "on_completion.call"): Row(
        calls.chat,
        "completion_hook.on_completion",
        ("chat m: hook=",),
        {"completion_hook": Hook()},
        needs=UTIL,
    ),
    Guard("_recording/completions.py", "CompletionRecorder.see"): Row(
        calls.chat_stream, "read an event"
    ),
    Guard("_recording/conversation.py", "ConversationRecorder.see"): Row(
        calls.conversation, "read an event", (r".*: gen_ai\.conversation\.id=",)
    ),
    Guard("_sdk/batches.py", "_count"): Row(
        calls.batch_results,
        "count the results of a batch",
        (r"metric mistral_ai\.client\.batch\.",),
        since=(2, 10, 0),
    ),
    Guard("_recording/recorder.py", "Recorder.see"): Row(calls.transcription, "read an event"),
    Guard("_recording/recorder.py", "Recorder.end"): Row(
        calls.conversation,
        "describe a response",
        (
            ANSWER,
            r"chat .*: gen_ai\.conversation\.id=",
            r"chat .*: mistral_ai\.(response\.created_at|stream\.outcome)=",
            METRICS,
        ),
    ),
    Guard("_recording/recorder.py", "Recorder.end", 1): Row(
        calls.chat, "capture content", (OUTPUT,), CONTENT
    ),
    Guard("_sdk/connections.py", "_noted"): Row(
        calls.session_of_words,
        "follow a session",
        (INPUT,),
        CONTENT,
        needs=WEBSOCKETS,
        since=(3, 6, 0),
    ),
    Guard("_otel/session_span.py", "SessionCall.plan"): Row(
        calls.session, "measure a session", (METRICS,), {"session_spans": False}, needs=WEBSOCKETS
    ),
    Guard("_otel/dropped.py", "Waker._bootstrap"): Row(
        calls.dropped, None, why="the next that is dropped tries again, and so does the next call"
    ),
    Guard("_otel/dropped.py", "_in_subinterpreter"): Row(
        calls.dropped_alone, None, why="a Python without subinterpreters"
    ),
    Guard("_content/exceptions.py", "_text_of"): Row(
        calls.unreachable, None, options=CONTENT, why="a failure of the exception's own class"
    ),
    Guard("_reading/errors.py", "_read"): Row(
        calls.unreachable, None, ERROR, why="a failure of the exception's own class"
    ),
    Guard("_reading/errors.py", "_header"): Row(
        calls.refused, None, why="headers that the user's transport put in"
    ),
    Guard("_log.py", "_log"): Row(
        calls.chat,
        None,
        options={"response_hook": calls.fail},
        before=(r"response_hook\(span, result\)",),
        unsaid=True,
        why="what fails is the user's log handler",
    ),
    Guard("_otel/hosts.py", "find_host"): Row(calls.chat_of_a_framework, "look for a host", ("",)),
    Guard("_sdk/imports.py", "_Loader.exec_module"): Row(calls.an_import, "follow an import"),
    Guard("_content/structure.py", "as_text"): Row(calls.loop, "write JSON", (OUTPUT,), CONTENT),
    Guard("_content/structure.py", "_written"): Row(
        calls.strange_tool, "write JSON", (INPUT,), CONTENT
    ),
    Guard("_otel/local_spans.py", "LocalSpan.end"): Row(calls.loop, "measure a loop"),
    Guard("_sdk/tools.py", "_begin_tool"): Row(
        calls.loop, "start a tool", (TOOL, TOOLS, LOOPS), CONTENT
    ),
    Guard("_sdk/tools.py", "_end_tool"): Row(calls.loop, "end a tool", (SAID_BY_TOOL,), CONTENT),
    Guard("_sdk/own_spans.py", "wrap_traced_request"): Row(
        calls.traced_by_the_sdk, "inject traceparent"
    ),
    Guard("_otel/open_calls.py", "OpenCalls._end"): Row(
        calls.left_at_exit,
        "end an open call",
        (ANSWER, r"chat m: mistral_ai\.stream\.outcome=", METRICS),
    ),
    Guard("_otel/open_calls.py", "OpenCalls._end_quietly"): Row(
        calls.left_at_exit, "end an open call"
    ),
    Guard("_otel/open_calls.py", "OpenCalls._end_quietly", 1): Row(
        calls.left_at_exit,
        None,
        around=lambda: broken(OpenCalls, "_end", SystemError),
        before=("end an open call",),
        unsaid=True,
        why="what fails is the user's log handler",
    ),
    Guard("_otel/ends_once.py", "carry_out"): Row(calls.chat, "end a call"),
    Guard("_content/parts.py", "collect"): Row(calls.chat, "read content", (INPUT,), CONTENT),
    Guard("_sdk/patching.py", "_on_import"): Row(
        # Which module comes first depends on the SDK.
        calls.loop,
        "patch .*",
        maybe=(TOOL, TOOLS, LOOPS),
    ),
    Guard("_sdk/patching.py", "_undo"): Row(calls.switching, "unpatch .*"),
    Guard("_otel/plans.py", "plan_of"): Row(calls.chat, "measure a call", (METRICS,)),
    Guard("_otel/opt_in.py", "run_hook"): Row(
        calls.chat,
        r"response_hook\(span, result\)",
        ("chat m: hook=",),
        {"response_hook": response_hook},
    ),
    Guard("_recording/recorder.py", "Recorder.dropped"): Row(
        calls.interrupted,
        "read an event",
        (ANSWER, r"chat .*: mistral_ai\.(response\.created_at|stream\.outcome)=", METRICS),
    ),
    Guard("_reading/requests.py", "locate"): Row(
        calls.chat,
        None,
        (r"chat m: server\.(address|port)=", METRICS),
        why="the SDK tells what is wrong with its server",
    ),
    Guard("_reading/requests.py", "describe_settings"): Row(
        calls.chat_that_stops,
        "read the setting stop",
        (r"chat m: gen_ai\.request\.stop_sequences=",),
    ),
    Guard("_reading/conversions.py", "settings_of"): Row(
        calls.typed_settings,
        "read settings",
        (r"chat .*: gen_ai\.request\.(temperature|max_tokens)=",),
    ),
    Guard("_otel/child_spans.py", "record_step"): Row(
        calls.handoff, "record a step", ("execute_tool agent_handoff ",)
    ),
    Guard("_sdk/streams.py", "_Observer.leave"): Row(
        calls.left_early,
        "leave a stream",
        # The SDK closes its generator, too, while the thread ends what was dropped.
        maybe=(r"chat m: mistral_ai\.stream\.outcome=", METRICS),
    ),
    Guard("_sdk/streams.py", "_Observer._raised"): Row(calls.chat_stream, "end a stream"),
    Guard("_switch.py", "switch_on"): Row(calls.chat, "instrument", CHAT),
    Guard("_otel/telemetry.py", "Telemetry.look_for_listeners"): Row(calls.chat, "find a provider"),
    Guard("_recording/capturing.py", "Capture.keep"): Row(
        calls.conversation, "capture content", (OUTPUT, SAID_BY_TOOL), CONTENT
    ),
    Guard("_recording/capturing.py", "Capture.of_tool"): Row(
        calls.conversation, "capture content", (SAID_BY_TOOL,), CONTENT
    ),
}


def test_every_guard_has_a_row() -> None:
    assert set(ROWS) == set(guards())


def test_no_guard_is_silent_without_a_reason() -> None:
    assert [guard for guard, row in ROWS.items() if (row.says is None) != bool(row.why)] == []


@pytest.mark.parametrize("guard", ROWS, ids=str)
def test_a_failure_stays_behind_its_guard(
    emulator: Emulator, client: Any, no_log_records: list[logging.LogRecord], guard: Guard
) -> None:
    row, lines = ROWS[guard], guards()[guard]
    if row.since > sdk.VERSION:
        pytest.skip(f"what the scene calls came with {row.since}")
    if row.needs is not None:
        pytest.importorskip(row.needs, reason="an extra of the plugin's, not for every SDK")

    def play(tracer: Tracer) -> Seen:
        with row.around():
            stage = Stage(emulator, client, Recording())
            return perform(row.scene, stage, dict(row.options), no_log_records, tracer)

    # What is imported, or looked up for the first time, is not this call's.
    play(Tracer())
    whole = play(Tracer())
    assert_says(whole.failed, [*row.before])
    assert whole.open == 0
    ran = sorted(line for file, line in whole.ran if file == guard.file and line in lines)
    assert ran
    unused = set(row.lost)
    for line in ran:
        seen = play(Tracer(guard.file, line, RuntimeError(WORDS)))
        assert seen.raised
        assert seen.result == whole.result
        assert seen.open == 0
        # A log handler that fails has not been told.
        before = () if row.unsaid else row.before
        assert_says(seen.failed, [*before, *([] if row.says is None else [row.says])])
        for fact in (*(whole.facts - seen.facts), *(seen.facts - whole.facts)):
            why = {pattern for pattern in (*row.lost, *row.maybe) if re.match(pattern, fact)}
            assert why, f"line {line} costs more: {fact}"
            unused -= why
    # What is called lost is lost, and the next call is as if nothing had been.
    assert unused == set()
    again = play(Tracer())
    assert (again.result, again.facts, again.failed) == (whole.result, whole.facts, whole.failed)


@pytest.mark.parametrize("scene", [calls.chat, calls.chat_stream, calls.chat_awaited])
@pytest.mark.parametrize("name", ["returned", "recorder"])
def test_a_result_that_cannot_be_handed_over_is_the_caller_s_all_the_same(
    emulator: Emulator,
    client: Any,
    no_log_records: list[logging.LogRecord],
    scene: Scene,
    name: str,
) -> None:
    def play() -> Seen:
        return perform(scene, Stage(emulator, client, Recording()), {}, no_log_records, Tracer())

    whole = play()
    assert_says(whole.failed, [])
    with broken(Method, name):
        seen = play()
    assert seen.result == whole.result
    assert seen.open == 0
    assert_says(seen.failed, ["hand a result over"])
    again = play()
    assert (again.result, again.facts, again.failed) == (whole.result, whole.facts, [])


def assert_says(failed: list[str], expected: list[str]) -> None:
    """What our log lines name as having failed, in any order."""
    left = [*failed]
    for pattern in expected:
        (name,) = (name for name in left if re.fullmatch(pattern, name))
        left.remove(name)
    assert left == []
