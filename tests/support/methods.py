# SPDX-License-Identifier: Apache-2.0
"""The rows of the table as a client of the SDK offers them: where, since when, and called how.

What can be read from the table or from the SDK is read here, once for all tests. What no test can
read is written here once: with which version a method came, and what it must be given.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from opentelemetry.instrumentation.genai.mistralai._sdk.calls import Method
from opentelemetry.instrumentation.genai.mistralai._sdk.loops import Loop
from opentelemetry.instrumentation.genai.mistralai._sdk.table import LOOPS, METHODS
from tests.support import sdk
from tests.support.completions import ARGUMENTS, MESSAGES
from tests.support.completions import METHODS as COMPLETIONS

Version = tuple[int, ...]

# With which version of the SDK a module of the table came, and with which one it went; or a method,
# as `module.Class.method`, where the module was there before. What is not named is in all of them.
# `tests/docs/test_since.py` asks the releases.
SINCE: Final[dict[str, Version]] = {
    "beta_agents": (2, 0, 0),
    "context_search_indexes": (3, 7, 0),
    "managed_indexes": (2, 10, 1),
    "managed_indexes.ManagedIndexes.generate_index_summary": (3, 3, 0),
    "managed_indexes.ManagedIndexes.grep": (3, 0, 0),
    "responses": (3, 4, 0),
    "speech": (2, 1, 0),
    "transcriptions": (1, 9, 3),
    "workflows": (2, 2, 0),
    "executions": (2, 2, 0),
    "workflows_events": (2, 2, 0),
    "events": (2, 2, 0),
    "judges.Judges.judge_conversation": (2, 0, 4),
    "datasets_records": (3, 1, 0),
    "records": (2, 0, 0),
    "chat_completion_events": (2, 0, 0),
    "search_indexes": (2, 7, 0),
    "connectors": (2, 0, 0),
    "jobs": (2, 5, 2),
    "batch_jobs": (2, 0, 0),
}
UNTIL: Final[dict[str, Version]] = {
    "mistral_agents": (2, 0, 0),
    "records": (3, 1, 0),
    "chat_completion_events": (2, 10, 0),
    "managed_indexes": (3, 7, 0),
    "search_indexes": (2, 9, 0),
    "batch_jobs": (2, 5, 2),
    "mistral_jobs": (2, 0, 0),
}

CLASSIFIED: Final = "input" if sdk.VERSION >= (2,) else "inputs"
AUDIO: Final = {"file_name": "hello.mp3", "content": b"\x00\xff"}
PAPER: Final = {"type": "document_url", "document_url": "https://example.com/hello.pdf"}
INDEXES: Final = (
    "beta.context.search_indexes" if sdk.VERSION >= (3, 7) else "beta.rag.managed_indexes"
)
LOOKED_FOR: Final[dict[str, Any]] = {"type": "keyword", "query": "Hello?", "top_k": 3}
JUDGE: Final[dict[str, Any]] = {
    "name": "manners", "description": "Hello?", "model_name": "m", "instructions": "Hello?",
    "tools": [], "output": {"type": "REGRESSION", "min": 0.0, "max": 1.0,
                            "min_description": "no", "max_description": "yes"},
}  # fmt: skip
# What each method must be given, conversations aside. Texts say "Hello": the emulator's
# errors repeat it.
GIVEN: Final[dict[str, dict[str, Any]]] = {
    **{method: ARGUMENTS[method.partition(".")[0]] for method in COMPLETIONS},
    "embeddings.create": {"model": "m", "inputs": ["Hello", "you"]},
    "classifiers.moderate": {"model": "m", "inputs": "Hello?"},
    "classifiers.moderate_chat": {"model": "m", "inputs": MESSAGES},
    "classifiers.classify": {"model": "m", "inputs": "Hello?"},
    "classifiers.classify_chat": {"model": "m", CLASSIFIED: {"messages": MESSAGES}},
    "ocr.process": {"model": "m", "document": PAPER},
    "audio.transcriptions.complete": {"model": "m", "file": AUDIO},
    "audio.transcriptions.stream": {"model": "m", "file": AUDIO},
    "audio.speech.complete": {"model": "m", "input": "Hello?"},
    "responses.create": {"model": "m", "input": "Hello?"},
    "beta.agents.create": {"model": "m", "name": "writer"},
    f"{INDEXES}.search": {"index_name": "docs", "retriever": LOOKED_FOR},
    f"{INDEXES}.grep": {"index_name": "docs", "source_id": "doc_1", "pattern": "Hello", "top_k": 3},
    "workflows.execute_workflow": {"workflow_identifier": "greet"},
    "workflows.execute_workflow_registration": {"workflow_registration_id": "reg_1"},
    "workflows.execute_workflow_and_wait": {"workflow_identifier": "greet", "polling_interval": 0},
    "workflows.executions.stream": {"execution_id": "exec_1"},
    "workflows.events.get_stream_events": {"workflow_exec_id": "exec_1"},
    "events.get_stream_events": {"workflow_exec_id": "exec_1"},
    "beta.observability.judges.judge_conversation": {"judge_id": "judge_1", "messages": MESSAGES},
    "beta.observability.datasets.records.judge": {
        "dataset_record_id": "record_1",
        "judge_definition": JUDGE,
    },
    "beta.context.search_indexes.generate_index_summary": {"language": "en", "index_name": "books"},
    "batch.jobs.create": {
        "endpoint": "/v1/chat/completions",
        "model": "m",
        "input_files": ["00000000-0000-0000-0000-000000000001"],
    },
    "beta.connectors.call_tool": {"tool_name": "look_up", "connector_id_or_name": "books"},
}


def first(row: Method | Loop) -> Version:
    """The version with which a row's method came; ``(0,)`` for all that are supported."""
    return _named(SINCE, row, (0,))


def last(row: Method | Loop) -> Version:
    """The version in which a row's method is no more; ``(99,)`` if it still is."""
    return _named(UNTIL, row, (99,))


def _named(versions: Mapping[str, Version], row: Method | Loop, default: Version) -> Version:
    whole = f"{row.module}.{row.cls}.{row.method}"
    return versions.get(whole, versions.get(row.module, default))


def is_said_to_exist(row: Method | Loop) -> bool:
    """Whether this version of the SDK has a row's method, as ``SINCE`` and ``UNTIL`` say."""
    return first(row) <= sdk.VERSION < last(row)


def row_of(method: str) -> Method | Loop:
    """The row of a method, whether or not this SDK has it.

    Args:
        method: its dotted name, such as ``beta.agents.create``. The SDK calls a module after the
            last parts of it.
    """
    *parts, own = method.split(".")
    modules = ["_".join(parts[at:]) for at in range(len(parts))]
    rows = {(row.module, row.method): row for row in (*METHODS, *LOOPS)}
    found = [rows[module, own] for module in modules if (module, own) in rows]
    return next((row for row in found if last(row) == (99,)), found[0])


def came_with() -> dict[str, Version]:
    """The version before which the tests of a method skip; ``(0,)`` if this SDK has the method."""
    versions = {method: first(row_of(method)) for method in GIVEN}
    if any(version > sdk.VERSION for version in versions.values()):
        with sdk.Mistral(api_key="key") as client:
            # It may have been elsewhere before.
            versions = {method: (0,) if _offers(client, method) else version
                        for method, version in versions.items()}  # fmt: skip
    return versions


def _offers(part: Any, method: str) -> bool:
    for name in method.split("."):
        part = getattr(part, name, None)
    return part is not None


def calls() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every method with what it must be given; one that streams when it is asked to, twice."""
    for method, given in GIVEN.items():
        yield method, given
        row = row_of(method)
        if row.streamed is None:
            yield method, {**given, "stream": True}


@cache
def methods() -> dict[str, Method | Loop]:
    """The rows that this SDK has, by their dotted names. It loads all of the SDK to find them."""
    with sdk.Mistral(api_key="key") as client:
        found = {(type(part).__module__, type(part).__qualname__): name
                 for name, part in _parts(client, "")}  # fmt: skip
    rows = ((found.get((f"{sdk.ROOT}.{row.module}", row.cls)), row) for row in (*METHODS, *LOOPS))
    return {f"{place}.{row.method}": row for place, row in rows if place is not None}


def _parts(part: Any, name: str) -> Iterator[tuple[str, Any]]:
    """What a client leads to, each with its dotted name."""
    base = importlib.import_module(f"{sdk.ROOT}.basesdk").BaseSDK
    names: list[str] = [*getattr(part, "_sub_sdk_map", ()), *vars(part)]
    for child_name in dict.fromkeys(names):
        child = getattr(part, child_name)
        if isinstance(child, base) and child_name != "parent_ref":
            dotted = f"{name}.{child_name}".lstrip(".")
            yield dotted, child
            yield from _parts(child, dotted)
