# SPDX-License-Identifier: Apache-2.0
"""Records realtime sessions: transcription and speech over a websocket.

Events are told apart by their type, whose field the models of 1.x spell in capitals. An event that
the SDK's line does not know, or whose fields its models reject, comes as an object with the API's
own JSON in ``content``: it is read from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic_ns
from typing import Any, Final

from .. import _names as s
from .._content.cleaning import CUT
from .._content.mode import Part
from .._content.parts import text_part, type_of
from .._content.structure import Clean
from .._reading.errors import failure_of_event
from .._reading.fields import Fields, fields_of, name_of
from .ending import Ending, Outcome, read_usage
from .open_call import OpenCall
from .recorder import UNTIMED, Recorder

# A session may last for hours. What is said after this many characters is not kept.
_MAX_KEPT: Final = 8 * 65_536
# The limit may cut a secret in two, and `redact` does not know the half: this much goes with it.
_MARGIN: Final = 4096


class _Words:
    """Keeps a text that comes in pieces, up to a limit."""

    __slots__ = ("_pieces", "_room")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._room = _MAX_KEPT

    def add(self, piece: str) -> None:
        """Keeps a further piece, if there is room."""
        if self._room > 0:
            self._pieces.append(piece[: self._room])
            self._room -= len(piece)

    def parts(self, clean: Clean) -> list[Part]:
        """Returns the text as a part of a message; [] if nothing was said, or may be recorded."""
        part = text_part("text", "".join(self._pieces), clean)
        if part is None:
            return []
        if self._room < 0:
            part["content"] = part["content"][:-_MARGIN] + CUT
        return [part]


class SessionRecorder(Recorder):
    """Records one session: its identity, usage, first output, and how it ended.

    Its done event ends it, and so does an error event; what comes later changes nothing.
    """

    __slots__ = (
        "_closing", "_delta_class", "_done", "_inputs", "_request_id", "_said", "_sent",
        "_sent_bytes", "_stopped_at", "_usage",
    )  # fmt: skip

    def __init__(self, call: OpenCall, inputs: list[Part]) -> None:
        """Begins to record a session whose connection is handed to the caller now.

        Args:
            call: the call.
            inputs: the call's input messages: what was sent is added to them at the end.
        """
        super().__init__(call)
        # This is the deltas' class, set once they carry no new fact but their time.
        self._delta_class: Any = None
        self._done = False
        self._usage: object = None
        self._closing: object = None
        self._request_id: str | None = None
        self._stopped_at: int | None = None
        self._inputs = inputs
        self._said, self._sent = _Words(), _Words()
        self._sent_bytes = 0

    def see(self, event: Any) -> None:
        """Takes in one event, before the caller gets it; never raises an ``Exception``."""
        # Nearly all events are further deltas; speech comes in megabytes, which nobody reads.
        if type(event) is self._delta_class:
            self._arrived = monotonic_ns()
        else:
            super().see(event)

    def on_connected(self, session: object) -> None:
        """Takes in the session as the server described it in the handshake."""
        self._identify(fields_of(session))

    def on_sent(self, sent: object) -> None:
        """Takes in what the caller sends: of a text its words, of sound its size."""
        if isinstance(sent, str):
            self._sent.add(sent)
        elif isinstance(sent, memoryview):
            self._sent_bytes += sent.nbytes
        elif isinstance(sent, (bytes, bytearray)):
            self._sent_bytes += len(sent)

    def stop(self) -> None:
        """Notes that the SDK stops reading: closing the websocket, which follows, takes time."""
        if self._stopped_at is None:
            self._stopped_at = self._call.now()

    def hear_again(self, unheard: Any) -> None:
        """Takes in once more what an interrupt cut off; of a delta only its time matters."""
        if name_of(type_of(fields_of(unheard))) not in _DELTAS:
            self.hear(unheard)

    def hear(self, event: Any) -> None:
        """Reads one event by its type."""
        fields = fields_of(event)
        kind = name_of(type_of(fields))
        unknown = "content" in fields
        payload = fields_of(fields["content"]) if unknown else fields
        if (handler := HANDLERS.get(kind)) is not None:
            handler(self, payload, event)
        looked_at = self._call.clean is not None or self._last_chunk != UNTIMED
        if kind in _DELTAS and self._first_chunk is not None and not unknown and not looked_at:
            self._delta_class = type(event)

    def on_session(self, fields: Fields, _event: object) -> None:
        """Reads what the server says of the session, when it begins or was changed."""
        self._identify(fields_of(fields.get("session")))

    def on_delta(self, fields: Fields, _event: object) -> None:
        """Reads a delta of text or sound."""
        piece = fields.get("text") or fields.get("audio_data")
        if not isinstance(piece, str) or not piece:
            return
        self.on_chunk()
        if self._call.clean is not None and "text" in fields:
            self._said.add(piece)

    def on_whole_piece(self, fields: Fields, _event: object) -> None:
        """Notes the first output, if no delta came before this event."""
        whole = fields.get("text")
        if self._first_chunk is None and isinstance(whole, str) and whole:
            self.on_chunk()

    def on_done(self, fields: Fields, event: object) -> None:
        """Ends the session at the arrival of its last event."""
        self.on_whole_piece(fields, event)
        self._done, self._closing = True, event
        self._model = name_of(fields.get("model")) or self._model
        self._usage = fields.get("usage") or self._usage
        whole = fields.get("text")
        if self._call.clean is not None and isinstance(whole, str) and whole:
            # This repeats all deltas, also those of which none was read.
            self._said = _Words()
            self._said.add(whole)
        self.end(Ending(Outcome.COMPLETED), self._call.at(self._arrived))

    def on_error(self, fields: Fields, event: object) -> None:
        """Ends the session as failed."""
        error = fields_of(fields.get("error"))
        told = error.get("message")
        message = fields_of(told).get("detail") or told
        self._closing = event
        failure = failure_of_event(error.get("code"), message)
        self.end(Ending(Outcome.FAILED, failure=failure), self._call.at(self._arrived))

    def is_complete(self) -> bool:
        """Returns whether the done event has come."""
        return self._done

    def conclude(self, ending: Ending, at: int) -> int:
        """Adds usage and the session's request id; returns when the session stopped."""
        self._delta_class = None
        ending.closing = self._closing
        ending.usage = read_usage(self._usage)
        if self._request_id is not None:
            ending.attributes[s.REQUEST_ID] = self._request_id
        return at if self._stopped_at is None else min(at, self._stopped_at)

    def say(self, ending: Ending, clean: Clean) -> None:
        """Moves what was sent and said into the call's input and the ending's output."""
        said, self._said = self._said, _Words()
        sent, self._sent = self._sent, _Words()
        parts = sent.parts(clean)
        if self._sent_bytes:
            size = self._sent_bytes
            parts.append({"type": "omitted_blob", "modality": "audio", "size": size})
        # An interrupt may have cut off an earlier attempt to say this.
        self._inputs[:] = [{"role": "user", "parts": parts}] if parts else []
        # The API gives no finish reason for sound; a session that was left has none.
        reason = "stop" if self._done else "error" if ending.failure else ""
        ending.output = [(said.parts(clean), reason)]

    def _identify(self, session: Fields) -> None:
        self._request_id = name_of(session.get("request_id")) or self._request_id
        self._model = name_of(session.get("model")) or self._model


_DELTAS: Final = frozenset({"transcription.text.delta", "speech.audio.delta"})
HANDLERS: Final[Mapping[str | None, Callable[[SessionRecorder, Fields, object], None]]] = {
    "session.created": SessionRecorder.on_session,
    "session.updated": SessionRecorder.on_session,
    "transcription.text.delta": SessionRecorder.on_delta,
    "transcription.segment": SessionRecorder.on_whole_piece,
    "transcription.done": SessionRecorder.on_done,
    "speech.audio.delta": SessionRecorder.on_delta,
    "speech.audio.done": SessionRecorder.on_done,
    "error": SessionRecorder.on_error,
}
