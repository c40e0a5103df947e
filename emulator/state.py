# SPDX-License-Identifier: Apache-2.0
"""What the emulator remembers: requests, attempts, conversations. Shared between threads."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any

DEFAULT_MODEL = "mistral-medium-latest"
_MAX_CONVERSATIONS = 1000


@dataclass(frozen=True)
class RecordedRequest:
    """One HTTP request; header names are lower-case.

    The body is None when it was neither JSON nor a form; of a form's files there is the name.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Conversation:
    """Who answers in a conversation: a model or an agent."""

    id: str
    model: str | None
    agent_id: str | None


class State:
    """The memory of one server."""

    def __init__(self, clock_offset: float) -> None:
        """Start empty; the clock of this server is ``clock_offset`` seconds ahead."""
        self.clock_offset = clock_offset
        self._lock = threading.Lock()
        self._requests: list[RecordedRequest] = []
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._conversations: dict[str, Conversation] = {}

    def now(self) -> float:
        """Return the time of the server's clock."""
        return time.time() + self.clock_offset

    def record(self, request: RecordedRequest) -> None:
        """Keep a request."""
        with self._lock:
            self._requests.append(request)

    def requests(self) -> list[RecordedRequest]:
        """Return a copy of the requests kept."""
        with self._lock:
            return list(self._requests)

    def clear(self) -> None:
        """Forget requests and attempts, not the conversations."""
        with self._lock:
            self._requests.clear()
            self._attempts.clear()

    def count_attempt(self, authorization: str, scenario: str) -> int:
        """Return how many attempts of this caller at this scenario came before."""
        with self._lock:
            before = self._attempts[authorization, scenario]
            self._attempts[authorization, scenario] += 1
            return before

    def create(self, model: str | None, agent_id: str | None) -> Conversation:
        """Make a conversation with a new id."""
        conversation = Conversation(f"conv_{uuid.uuid4().hex}", model, agent_id)
        with self._lock:
            if len(self._conversations) >= _MAX_CONVERSATIONS:  # a load test must not eat memory
                del self._conversations[next(iter(self._conversations))]
            self._conversations[conversation.id] = conversation
        return conversation

    def find(self, conversation_id: str) -> Conversation:
        """Return a conversation; an id never seen is taken for one with the default model."""
        with self._lock:
            known = self._conversations.get(conversation_id)
        return known or Conversation(conversation_id, DEFAULT_MODEL, None)
