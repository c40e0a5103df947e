# SPDX-License-Identifier: Apache-2.0
"""The table: every SDK method that is instrumented, one row each; async twins are derived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from ._conversation import ConversationRecorder
from ._recording import OpenCall, StreamRecorder
from ._requests import ReadRequest, append_request, restart_request, start_request

# Where the SDK's modules are: in 1.x directly, later one level down.
ROOTS: Final = ("mistralai", "mistralai.client")


class Surface(NamedTuple):
    """One method of the SDK.

    Attributes:
        module: below one of ``ROOTS``.
        cls: the class in it.
        method: the sync method; ``{method}_async`` is its twin.
        request: reads the arguments.
        recorder: takes charge of the stream.
        streamed: whether the method answers with a stream.
    """

    module: str
    cls: str
    method: str
    request: ReadRequest
    recorder: Callable[[OpenCall], StreamRecorder]
    streamed: bool


_CONVERSATIONS: Final = ("conversations", "Conversations")
_STREAM: Final = ConversationRecorder

SURFACES: Final = (
    Surface(*_CONVERSATIONS, "start_stream", start_request, _STREAM, streamed=True),
    Surface(*_CONVERSATIONS, "append_stream", append_request, _STREAM, streamed=True),
    Surface(*_CONVERSATIONS, "restart_stream", restart_request, _STREAM, streamed=True),
)
