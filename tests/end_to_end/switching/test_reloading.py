# SPDX-License-Identifier: Apache-2.0
"""Modules of the SDK that are reloaded, or purged and imported again: recorded as before."""

from __future__ import annotations

import sys
from typing import Final

import pytest

from emulator import Emulator
from tests.support import sdk
from tests.support.programs import Ran, run

RELOADED: Final = {
    "reloaded": "module = importlib.reload(sys.modules[NAME])",
    "reloaded twice": """
importlib.reload(sys.modules[NAME])
module = importlib.reload(sys.modules[NAME])
""",
    "purged": "del sys.modules[NAME]; module = importlib.import_module(NAME)",
    "by its own spec": """
import importlib.util
spec = importlib.util.find_spec(NAME)
del sys.modules[NAME]
spec = importlib.util.find_spec(NAME)
module = importlib.util.module_from_spec(spec)
sys.modules[NAME] = module
spec.loader.exec_module(module)
""",
    "under another library's hook": """
import wrapt
wrapt.register_post_import_hook(lambda module: None, NAME)
del sys.modules[NAME]
wrapt.register_post_import_hook(lambda module: None, NAME)
module = importlib.import_module(NAME)
""",
}
BEFORE: Final = """
import importlib, weakref
provider = exporting()
instrument(tracer_provider=provider)
"""


def told(ran: Ran) -> list[tuple[str, str | None]]:
    """Name and outcome of each span; the program must have come to its end without a word."""
    assert (ran.code, ran.stderr) == (0, "")
    return [(span["name"], span["outcome"]) for span in ran.spans()]


CHAT: Final = "chat mistral-medium-latest"


@pytest.mark.parametrize("again", RELOADED.values(), ids=RELOADED)
def test_old_and_new_classes_are_recorded_once_and_all_are_given_back(
    emulator: Emulator, again: str
) -> None:
    ran = run(
        f"""
NAME = CONVERSATIONS
{BEFORE}
old = client.beta.conversations
{again}
new = module.Conversations(client.sdk_configuration)
assert type(new) is not type(old)
def ask():
    for conversations in (old, new):
        list(conversations.start_stream(**asking("agent")))
ask()
uninstrument()
ask()
for conversations in (old, new):
    assert not hasattr(type(conversations).__dict__["start_stream"], "_self_wrapper")
instrument(tracer_provider=provider)
ask()
""",
        emulator.url,
    )
    assert told(ran) == [(CHAT, "completed")] * 4


@pytest.mark.parametrize("again", RELOADED.values(), ids=RELOADED)
def test_streams_of_old_and_new_classes_are_known_and_so_is_leaving_them(
    emulator: Emulator, again: str
) -> None:
    ran = run(
        f"""
NAME = EVENTSTREAMING
{BEFORE}
before = client.beta.conversations.start_stream(**asking("agent"))
kinds = [type(before)]
{again}
import mistralai
for name in list(sys.modules):
    if name.startswith("mistralai") and name != NAME:
        del sys.modules[name]
Again = importlib.import_module(ROOT).Mistral
other = Again(api_key="key", server_url=sys.argv[1], client=http, async_client=idle)
after = other.beta.conversations.start_stream(**asking("agent"))
kinds.append(type(after))
assert kinds[0] is not kinds[1]
for stream in (before, after):
    with stream:
        next(stream)
uninstrument()
with other.beta.conversations.start_stream(**asking("agent")) as stream:
    next(stream)
""",
        emulator.url,
    )
    assert told(ran) == [(CHAT, "closed")] * 2


@pytest.mark.parametrize("again", list(RELOADED.values())[:3], ids=list(RELOADED)[:3])
def test_the_sdks_own_spans_stay_replaced(emulator: Emulator, again: str) -> None:
    ran = run(
        f"""
NAME = ROOT + "._hooks.tracing"
{BEFORE.replace("exporting()", "exporting('global')")}
if NAME not in sys.modules:
    sys.exit(0)
{again}
list(start())
""",
        emulator.url,
        MISTRAL_SDK_TELEMETRY="global",
    )
    assert ran.code == 0
    # Versions before 1.10 have no spans of their own.
    assert [line["scope"] for line in ran.lines if isinstance(line, dict)] == [
        "opentelemetry.instrumentation.genai.mistralai"
    ] * (sdk.VERSION >= (1, 10))


def test_everything_purged_and_imported_again_is_recorded(emulator: Emulator) -> None:
    ran = run(
        f"""
{BEFORE}
for name in [name for name in sys.modules if name.startswith("mistralai")]:
    del sys.modules[name]
Again = importlib.import_module(ROOT).Mistral
assert Again is not Mistral
other = Again(api_key="key", server_url=sys.argv[1], client=http, async_client=idle)
list(other.beta.conversations.start_stream(**asking("agent")))
async def read():
    return [event async for event in await other.beta.conversations.start_stream_async(
        **asking("agent"))]
asyncio.run(read())
""",
        emulator.url,
    )
    assert told(ran) == [(CHAT, "completed")] * 2


def test_a_module_that_is_reloaded_while_off_is_recorded_when_on_again(emulator: Emulator) -> None:
    ran = run(
        f"""
{BEFORE}
uninstrument()
module = importlib.reload(sys.modules[CONVERSATIONS])
instrument(tracer_provider=provider)
new = module.Conversations(client.sdk_configuration)
list(new.start_stream(**asking("agent")))
list(client.beta.conversations.start_stream(**asking("agent")))
""",
        emulator.url,
    )
    assert told(ran) == [(CHAT, "completed")] * 2


RELOADING: Final = """
import importlib, weakref
gone = {}
for n in range(12):
    for name in (ROOT + ".chat", EVENTSTREAMING):
        if n % 2:
            module = importlib.reload(importlib.import_module(name))
        else:
            sys.modules.pop(name, None)
            module = importlib.import_module(name)
        cls = getattr(module, "Chat", None) or module.EventStream
        gone.setdefault(name, []).append(weakref.ref(cls))
        del module, cls
    gc.collect()
emit([sum(cls() is not None for cls in classes) for classes in gone.values()])
"""


def test_what_a_reload_has_replaced_goes_when_nobody_has_it(emulator: Emulator) -> None:
    # The typing module keeps classes of streams, until Python 3.14.
    ((chats, streams),) = run(RELOADING, emulator.url).said()
    assert (chats, streams) == (1, 12 if sys.version_info < (3, 14) else 1)
    ran = run(
        f"""{BEFORE}{RELOADING}
from opentelemetry.instrumentation.genai.mistralai._sdk import patching as _patching
emit(len(_patching._patches[ROOT + ".chat"]))
""",
        emulator.url,
    )
    assert (ran.code, ran.stderr) == (0, "")
    classes, patches = ran.said()[:2]
    assert classes == [chats, streams]
    # Two methods and their twins, of the last class and of those that had just gone.
    assert patches <= 12


def test_a_reload_that_fails_leaves_the_import_to_its_exception(emulator: Emulator) -> None:
    ran = run(
        f"""
{BEFORE}
name = ROOT + ".chat"
module = sys.modules.get(name) or importlib.import_module(name)
import mistralai
utils = sys.modules[ROOT + ".utils"]
kept = sys.modules.pop(ROOT + ".basesdk")
sys.modules[ROOT + ".basesdk"] = None
try:
    importlib.reload(module)
except ImportError:
    emit("raised")
sys.modules[ROOT + ".basesdk"] = kept
module = importlib.reload(module)
emit(type(module.__loader__).__name__)
emit(type(module.__spec__.loader).__name__)
""",
        emulator.url,
    )
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.said()[:3] == ["raised", "SourceFileLoader", "SourceFileLoader"]
