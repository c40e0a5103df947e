# SPDX-License-Identifier: Apache-2.0
"""A fork has its parent's open streams in its memory, and only its own to end."""

from __future__ import annotations

from emulator import Emulator
from tests.support.programs import FORK, Ran, dedented, facts, run
from tests.support.systems import needs_fork

pytestmark = needs_fork


def test_after_a_fork_only_the_parent_ends_what_it_opened(emulator: Emulator) -> None:
    source = """
        pid = os.fork()
        if pid == 0:
            with stream:
                pass
            del stream
            gc.collect()
            http = httpx.Client(verify=False, trust_env=False)
            client = Mistral(api_key="key", server_url=sys.argv[1], client=http, async_client=idle)
            list(start())
            before, deadline = len(ended), time.monotonic() + 30
            next(start())
            # Before it exits: the child has a thread of its own for what is dropped.
            while len(ended) == before:
                assert time.monotonic() < deadline
                time.sleep(0.002)
            kept = start('hang')
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        stream.response.close()
    """
    _assert_each_ends_its_own(run(dedented(FORK) + dedented(source), emulator.url))


def test_a_forked_worker_of_multiprocessing_records_its_own_streams(emulator: Emulator) -> None:
    source = """
        import multiprocessing
        def work():
            global client, stream
            del stream
            http = httpx.Client(verify=False, trust_env=False)
            client = Mistral(api_key="key", server_url=sys.argv[1], client=http, async_client=idle)
            list(start())
            with start('hang'):
                pass
            with start('hang') as stream:
                pass
        worker = multiprocessing.get_context('fork').Process(target=work)
        worker.start()
        worker.join()
        assert worker.exitcode == 0
    """
    ran = run(dedented(FORK) + dedented(source), emulator.url)
    assert ran.stderr == ""
    assert facts(ran) == [
        ("child", "closed", "UNSET"),
        ("child", "closed", "UNSET"),
        ("child", "completed", "UNSET"),
        ("parent", "abandoned", "UNSET"),
        ("parent", "completed", "UNSET"),
    ]


def _assert_each_ends_its_own(ran: Ran) -> None:
    assert ran.stderr == ""
    assert ran.code == 0
    assert facts(ran) == [
        ("child", "abandoned", "UNSET"),
        ("child", "abandoned", "UNSET"),
        ("child", "completed", "UNSET"),
        ("parent", "abandoned", "UNSET"),
        ("parent", "completed", "UNSET"),
    ]
    assert len({span["id"] for span in ran.spans()}) == 5
    assert sorted(ran.said()) == ["shutdown in child", "shutdown in parent"]
