"""A folder to work in, removed at the end together with what was made in the engine."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from refactor.proof.engines import Engine


@contextmanager
def workshop(engine: Engine) -> Iterator[Path]:
    """Give a folder, and remove it, images and containers at the end, however that comes."""
    folder = Path(tempfile.mkdtemp(prefix="dfr-proof-"))
    try:
        yield folder
    finally:
        with _uninterrupted():
            for made in engine.left:
                kind, _, name = made.rpartition(" ")
                (engine.remove_container if kind else engine.remove)(name)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let no second signal keep what was made from being removed; it takes seconds."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {}
    with suppress(ValueError):  # only the main thread is signalled
        before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
