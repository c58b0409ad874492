"""A clock that stands still until somebody waits."""

from __future__ import annotations


class StillClock:
    """Time goes on by waiting alone; `waits` are the seconds of each."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.time = now
        self.waits: list[float] = []

    def now(self) -> float:
        """Return the time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Go on."""
        self.waits.append(seconds)
        self.time += seconds
