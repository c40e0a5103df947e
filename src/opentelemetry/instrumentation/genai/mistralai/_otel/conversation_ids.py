# SPDX-License-Identifier: Apache-2.0
"""The conversation that a call belongs to in the application, where the API knows of none.

A chat or an embedding is a turn of something that only the application has a name for. It says so
in the baggage, under the attribute's name (the SDK's own spans read it there, too), or by an
invocation of ``opentelemetry-util-genai`` around the call.
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
    """The application's id of the conversation in this context, None where it names none."""
    # Its key is made anew in each process. If nobody has imported it, nothing is under it.
    key = getattr(sys.modules.get(_UTIL_GENAI), "CONVERSATION_ID_KEY", None)
    named = name_of(context.get(key)) if isinstance(key, str) else None
    return named or name_of(baggage.get_baggage(s.CONVERSATION_ID, context))
