# SPDX-License-Identifier: Apache-2.0
"""Holds conversations in two worker processes: ``python -m examples.zero_code.workers fork``.

The argument is how ``multiprocessing`` starts them: ``fork``, ``spawn`` or ``forkserver``.
"""

from __future__ import annotations

import multiprocessing
import os
import sys

from opentelemetry import metrics, trace

from examples.zero_code.ask import MODEL, a_client, an_api


def flush() -> None:
    """Sends what this process has recorded, for nobody does when a forked worker exits.

    The one thing in these examples that knows of OpenTelemetry; without its SDK it does nothing.
    """
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
        getattr(provider, "force_flush", bool)()


def work(questions: list[str]) -> None:
    """What a worker does: it asks each question in a conversation of its own."""
    try:
        with a_client() as client:
            for question in questions:
                conversation = client.beta.conversations.start(model=MODEL, inputs=question)
                sys.stdout.write(f"{os.getpid()} {conversation.conversation_id}\n")
        sys.stdout.flush()
    except KeyboardInterrupt:
        # Ctrl-C goes to all processes, and multiprocessing would print where each of them was.
        sys.exit(130)
    finally:
        flush()


def main() -> None:
    """Chooses how workers start, and whom they talk to."""
    multiprocessing.set_start_method(sys.argv[1])
    with an_api():
        hold()


def hold() -> None:
    """Holds a conversation, then starts the workers and waits for them."""
    work(["Which?"])
    questions = ["Who?", "Where?", "When?"]
    workers = [multiprocessing.Process(target=work, args=(questions,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        sys.exit("a worker failed")


if __name__ == "__main__":
    main()
