# SPDX-License-Identifier: Apache-2.0
"""Records calls whose result is no completion: workflows, judges, tools, batches.

Each kind of result has a function here that reads it into the ending.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

from .. import _names as s
from .._content.cleaning import cut
from .._content.parts import joined, text_part
from .._content.structure import Clean, as_text
from .._reading.batches import job_facts
from .._reading.errors import Failure, is_word
from .._reading.fields import fields_of, items_of
from .._reading.jobs import execution_facts, key_of
from .._reading.requests import Request
from .ending import Ending
from .open_call import OpenCall
from .recorder import Recorder

ReadResult = Callable[[Any, Request, Ending], object]


class ResultRecorder(Recorder):
    """Records one result that came whole."""

    __slots__ = ("_as_text", "_read", "_result", "_words")

    def __init__(self, call: OpenCall, read: ReadResult, as_text: str | None = None) -> None:
        """Begins to record.

        Args:
            call: the call.
            read: puts the result's facts into the ending, and returns the result's words.
            as_text: the attribute of the span that has the words as one text; None: the words are
                an output message.
        """
        super().__init__(call)
        self._read = read
        self._as_text = as_text
        self._result: Any = None
        self._words: object = None

    def on_response(self, response: Any) -> None:
        """Takes in the result, and ends the call with it."""
        self._whole, self._result, self._unheard = True, response, response
        self.end(Ending(closing=response), self._call.at(self._arrived))

    def conclude(self, ending: Ending, at: int) -> int:
        """Adds the result's facts to the ending."""
        if self._whole:
            self._words = self._read(self._result, self._call.request, ending)
        return at

    def say(self, ending: Ending, clean: Clean) -> None:
        """Moves the result's words into the ending."""
        words, self._words, self._result = self._words, None, None
        if self._as_text is not None:
            cleaned = None if words is None else clean(as_text(words))
            if cleaned is not None and self._call.telemetry.content_on_spans:
                ending.attributes[self._as_text] = cut(cleaned)
            words = None
        part = None if words is None else text_part("text", as_text(words), clean)
        ending.output = [] if part is None else [([part], "error" if ending.failure else "stop")]


def read_execution(response: Any, _request: Request, ending: Ending) -> object:
    """Reads the answer to the request to execute a workflow; it may have the result already."""
    answer = fields_of(response)
    ending.attributes.update(facts := execution_facts(answer))
    if (name := facts.get(s.WORKFLOW_NAME)) is not None:
        ending.span_name = f"{s.INVOKE_WORKFLOW} {name}"
    if isinstance(execution := facts.get(s.WORKFLOW_EXECUTION), str):
        ending.conversation_id = key_of(s.INVOKE_WORKFLOW, execution)
    return answer.get("result")


def read_awaited(result: Any, request: Request, ending: Ending) -> object:
    """Reads the result of a workflow that the SDK has waited for; what it is, the user decided."""
    if getattr(request, "begun", None) is not None:
        ending.attributes[s.WORKFLOW_STATUS] = "COMPLETED"
    return result


def read_judgement(response: Any, _request: Request, ending: Ending) -> object:
    """Reads a judge's answer: a number, or one of the judge's labels; the analysis is prose."""
    judged = fields_of(response)
    answer = judged.get("answer")
    if isinstance(answer, str):
        # A label is a word that the application has chosen. Anything else could repeat a user's.
        if is_word(answer):
            ending.attributes[s.EVALUATION_LABEL] = answer
    elif isinstance(answer, (int, float)) and not isinstance(answer, bool) and isfinite(answer):
        ending.attributes[s.EVALUATION_SCORE] = float(answer)
    return judged.get("analysis")


def read_created(response: Any, _request: Request, ending: Ending) -> object:
    """Reads the job that a batch has become; later calls that collect it link to this one."""
    job = fields_of(response)
    ending.attributes.update(facts := job_facts(job))
    if isinstance(job_id := facts.get(s.BATCH_JOB), str):
        ending.conversation_id = key_of(s.CREATE_BATCH, job_id)
    return None


def read_collected(response: Any, _request: Request, ending: Ending) -> object:
    """Counts the results that the caller got of a batch; what they say is not recorded."""
    output = fields_of(response)
    if "responses" in output:
        ending.attributes[s.BATCH_RESPONSES] = len(fields_of(output["responses"]))
        failed = (items_of(output.get(name)) for name in ("request_errors", "response_errors"))
        ending.attributes[s.BATCH_ERRORS] = sum(map(len, failed))
    return None


def read_tool_result(response: Any, _request: Request, ending: Ending) -> object:
    """Reads the result of a connector's tool; a tool that failed is no failed request."""
    result = fields_of(response)
    told = fields_of(fields_of(result.get("metadata")).get("mcp_meta"))
    if told.get("is_error") is True:
        ending.failure = Failure(s.TOOL_ERROR)
    items = items_of(result.get("content"))
    return joined(items) or [fields_of(item) for item in items]
