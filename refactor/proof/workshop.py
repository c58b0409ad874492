"""A folder to work in, removed at the end together with the images that were made."""

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
    """Give a folder, and remove it and the images at the end, however that comes."""
    folder = Path(tempfile.mkdtemp(prefix="dfr-proof-"))
    try:
        yield folder
    finally:
        with _uninterrupted():
            for made in engine.left:
                if not made.startswith("container "):
                    engine.remove(made)
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
