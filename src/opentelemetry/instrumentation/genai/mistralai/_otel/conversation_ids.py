# SPDX-License-Identifier: Apache-2.0
"""Finds the application's id of a conversation, for calls that have none in the API.

A chat or an embedding may be a turn of a conversation that only the application has an id for. The
application puts it into the baggage, under the attribute's name (the SDK's own spans read it there,
too), or makes the call inside an invocation of ``opentelemetry-util-genai``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from opentelemetry import baggage

from .. import _names as s
from .._reading.fields import name_of

if TYPE_CHECKING:
    from opentelemetry.context import Context

_UTIL_GENAI: Final = "opentelemetry.util.genai._conversation_context"


def conversation_of(context: Context) -> str | None:
    """Returns the application's id of the conversation in this context, None without one."""
    # util-genai makes its context key anew in each process, so it is read from the module. If the
    # module is not imported, nothing can be under its key.
    key = getattr(sys.modules.get(_UTIL_GENAI), "CONVERSATION_ID_KEY", None)
    named = name_of(context.get(key)) if isinstance(key, str) else None
    return named or name_of(baggage.get_baggage(s.CONVERSATION_ID, context))
