# SPDX-License-Identifier: Apache-2.0
"""Agents that hand over to each other: who worked when, and on whose behalf."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import SpanProcessor

from emulator import Emulator
from tests.support import names as s
from tests.support import sdk
from tests.support.conversation_spans import child, family, interval, times_of, tool
from tests.support.conversations import Run, with_defaults
from tests.support.programs import FORK, dedented
from tests.support.programs import run as run_program
from tests.support.recording import Recording, Span, plain, wait_until
from tests.support.systems import needs_fork

TRIAGE = {"agent": "ag_triage", "agent_name": "triage"}
RESEARCHER = {"agent": "ag_researcher", "agent_name": "researcher"}
WRITER = {"agent": "ag_writer", "agent_name": "writer"}


def handoff(parent: Any, target: dict[str, str] | None, /, **told: str) -> Span:
    known = {"name": "agent_handoff", "mode": "pass_control", **told}
    if target is None:
        return child(parent, "execute_tool agent_handoff", **known)
    name = target["agent_name"]
    known |= {"target": name, "target_id": target["agent"]}
    return child(parent, f"execute_tool agent_handoff {name}", **known)


def agent(parent: Any, at_work: dict[str, str], /, **told: str) -> Span:
    return child(parent, f"invoke_agent {at_work['agent_name']}", **at_work, **told)


def seen(recording: Recording) -> tuple[Any, list[Any], dict[tuple[int, int], Span]]:
    """The client span, the spans within, and the same by their times."""
    client, children = family(recording)
    told = {interval(span): plain(span) for span in children}
    assert len(told) == len(children)
    return client, children, told


def chain(client: Any) -> tuple[Any, list[int]]:
    """A stream in which the second agent's tool is under way, and its events' times so far.

    The server says no more: on a busy machine the next events would have come already.
    """
    arguments = with_defaults("handoff_hang", {"agent_id": "ag_triage"})
    stream = client.beta.conversations.start_stream(**arguments)
    return stream, times_of([next(stream) for _ in range(4)])


def the(children: list[Any], name: str) -> Any:
    (found,) = [span for span in children if span.name == name]
    return found


def test_a_handoff_that_nobody_took_over_ends_with_the_conversation(
    client: Any, run: Run, recording: Recording
) -> None:
    times = times_of(run(client, "handoff_never_done", agent_id="ag_triage"))
    parent, _, told = seen(recording)
    assert told == {(times[1], times[-1]): handoff(parent, None, **TRIAGE)}
    assert s.METRIC_TOOL_DURATION not in recording.metrics()
    assert plain(parent).attributes[s.AGENT_NAME] == "triage"


def test_a_tool_that_its_agent_left_behind_is_a_child_of_the_client_span(
    client: Any, run: Run, recording: Recording
) -> None:
    times = times_of(run(client, "handoff_open_tool", agent_id="ag_triage"))
    parent, children, told = seen(recording)
    researcher = the(children, "invoke_agent researcher")
    assert told == {
        (times[1], times[4]): tool(parent, **TRIAGE),
        (times[2], times[3]): handoff(parent, RESEARCHER, **TRIAGE),
        (times[3], times[7]): agent(parent, RESEARCHER),
        (times[5], times[8]): tool(parent, "code_interpreter", "tool_2", **RESEARCHER),
        (times[6], times[7]): handoff(researcher, WRITER, **RESEARCHER),
        (times[7], times[10]): agent(parent, WRITER),
    }


@pytest.mark.parametrize("outcome", ["closed", "cancelled", "abandoned"])
def test_an_agent_at_work_and_its_tool_end_unset_when_the_caller_leaves(
    client: Any, recording: Recording, outcome: str
) -> None:
    stream, times = chain(client)
    if outcome == "closed":
        with stream:
            pass
    elif outcome == "cancelled":
        with pytest.raises(KeyboardInterrupt), stream:
            raise KeyboardInterrupt
    del stream
    parent, children, told = seen(recording)
    end = interval(parent)[1]
    researcher = the(children, "invoke_agent researcher")
    assert told == {
        (times[1], times[2]): handoff(parent, RESEARCHER, **TRIAGE),
        (times[2], end): agent(parent, RESEARCHER),
        (times[3], end): tool(researcher, **RESEARCHER),
    }
    assert plain(parent).attributes[s.STREAM_OUTCOME] == outcome
    assert plain(parent).status == "UNSET"


def test_agents_and_what_they_left_undone_fail_with_the_conversation(
    client: Any, recording: Recording
) -> None:
    stream, _ = chain(client)
    stream.response.close()
    with pytest.raises((sdk.httpx.HTTPError, sdk.httpx.StreamError)) as raised:
        list(stream)
    error_type = f"{sdk.HTTP}.{type(raised.value).__name__}"
    parent, children = family(recording)
    researcher = the(children, "invoke_agent researcher")
    assert plain(researcher) == agent(parent, RESEARCHER, error=error_type)
    search = the(children, "execute_tool web_search")
    assert plain(search) == tool(researcher, **RESEARCHER, error=error_type)
    handed = the(children, "execute_tool agent_handoff researcher")
    assert plain(handed) == handoff(parent, RESEARCHER, **TRIAGE)
    assert plain(parent).description == error_type


def test_a_chain_of_agents_is_one_span_each_under_which_they_work(
    client: Any, run: Run, recording: Recording
) -> None:
    times = times_of(run(client, "handoff_chain", agent_id="ag_triage"))
    parent, children, told = seen(recording)
    researcher = the(children, "invoke_agent researcher")
    writer = the(children, "invoke_agent writer")
    assert told == {
        (times[1], times[2]): handoff(parent, RESEARCHER, **TRIAGE),
        (times[2], times[6]): agent(parent, RESEARCHER),
        (times[3], times[4]): tool(researcher, **RESEARCHER),
        (times[5], times[6]): handoff(researcher, WRITER, **RESEARCHER),
        (times[6], times[11]): agent(parent, WRITER),
        (times[7], times[8]): tool(writer, "code_interpreter", "tool_2", **WRITER),
    }
    assert parent.name == "invoke_agent"
    attributes = plain(parent).attributes
    who = (attributes[s.AGENT_ID], attributes[s.AGENT_NAME])
    assert who == ("ag_triage", "triage")
    measured = [
        {s.TOOL_NAME: name, s.TOOL_TYPE: "extension", s.AGENT_NAME: by}
        for name, by in (("web_search", "researcher"), ("code_interpreter", "writer"))
    ]
    lasted = [(times[4] - times[3]) / 1e9, (times[8] - times[7]) / 1e9]
    expected = [(told, (1, total)) for told, total in zip(measured, lasted, strict=True)]
    assert recording.metrics()[s.METRIC_TOOL_DURATION] == expected


def test_a_handoff_back_to_the_first_agent_is_a_span_of_its_own(
    client: Any, run: Run, recording: Recording
) -> None:
    times = times_of(run(client, "handoff_back", agent_id="ag_triage"))
    parent, children, told = seen(recording)
    researcher = the(children, "invoke_agent researcher")
    triage = the(children, "invoke_agent triage")
    assert told == {
        (times[1], times[2]): handoff(parent, RESEARCHER, **TRIAGE),
        (times[2], times[6]): agent(parent, RESEARCHER),
        (times[3], times[4]): tool(researcher, **RESEARCHER),
        (times[5], times[6]): handoff(researcher, TRIAGE, **RESEARCHER),
        (times[6], times[10]): agent(parent, TRIAGE),
        (times[7], times[8]): tool(triage, "code_interpreter", "tool_2", **TRIAGE),
    }


def test_a_conversation_that_a_model_was_asked_for_learns_of_its_agents(
    client: Any, run: Run, recording: Recording
) -> None:
    times = times_of(run(client, "handoff"))
    parent, _, told = seen(recording)
    handed, at_work = handoff(parent, WRITER, **TRIAGE), agent(parent, WRITER)
    assert told == {(times[1], times[2]): handed, (times[2], times[-1]): at_work}
    known = plain(parent).attributes[s.AGENT_ID]
    assert (parent.name, known) == ("invoke_agent", "ag_triage")


def test_events_of_another_agent_are_its_own_and_no_handoff(
    client: Any, run: Run, recording: Recording
) -> None:
    times = times_of(run(client, "foreign_agent", agent_id="ag_triage"))
    parent, _, told = seen(recording)
    # Before 2.0 the events of a tool name no agent, so it is that of the one at work.
    other = "ag_other" if sdk.VERSION >= (2,) else "ag_triage"
    assert told == {(times[2], times[3]): tool(parent, agent=other)}
    attributes = plain(parent).attributes
    assert attributes[s.AGENT_ID] == "ag_triage"
    assert s.AGENT_NAME not in attributes
    assert attributes[s.RESPONSE_ID] == "msg_2"


@needs_fork
@pytest.mark.parametrize("read", [2, 4, 5], ids=["handoff open", "tool open", "agent open"])
def test_a_forked_child_that_reads_on_makes_no_span_and_ends_none(
    emulator: Emulator, read: int
) -> None:
    source = """
        arguments = asking('handoff_chain', agent_id='ag_triage')
        del arguments['model']
        handed = client.beta.conversations.start_stream(**arguments)
        events = [next(handed).event for _ in range(int(sys.argv[2]))]
        pid = os.fork()
        if pid == 0:
            assert len(events + list(handed)) == 12
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        del handed
        stream.response.close()
    """
    ran = run_program(dedented(FORK) + dedented(source), emulator.url, str(read))
    assert (ran.stderr, ran.code, {span["process"] for span in ran.spans()}) == ("", 0, {"parent"})
    inside = sorted(span["name"] for span in ran.spans() if span["outcome"] is None)
    named = ["execute_tool agent_handoff researcher", "execute_tool web_search"]
    expected = [*named, "invoke_agent researcher"] if read > 2 else ["execute_tool agent_handoff"]
    assert inside == expected


class _Refusing(SpanProcessor):
    def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002 -- interface
        if span.name.endswith("web_search"):
            raise ValueError("no tools here")


@pytest.mark.parametrize(
    ("scenario", "read"),
    [("tool_never_done", 99), ("tool_never_done", 2), ("handoff_chain", 4), ("handoff_chain", 0)],
)
def test_a_tool_whose_span_cannot_be_made_leaves_no_other_span_open(
    client: Any, recording: Recording, no_log_records: list[Any], scenario: str, read: int
) -> None:
    recording.tracer_provider.add_span_processor(_Refusing())
    arguments = with_defaults(scenario, {"agent_id": "ag_triage"})
    method = "start_stream" if read else "start"
    result = getattr(client.beta.conversations, method)(**arguments)
    for _ in zip(range(read), result if read else ()):  # noqa: B905 -- the shorter of both
        pass
    del result
    wait_until(lambda: len(no_log_records) > 0)
    said = {record.getMessage()[:16] for record in no_log_records}
    no_log_records.clear()
    wait_until(lambda: any(span.kind.name == "CLIENT" for span in recording.finished()))
    names = {span.name for span in recording.finished()}
    assert ("invoke_agent researcher" in names) == (scenario == "handoff_chain")
    assert said == {"telemetry failed"}
