"""How much of an image is read, and what is said of one that cannot be."""

from __future__ import annotations

from dataclasses import dataclass


class ImageError(ValueError):
    """An image that cannot be read. The message is for a person, and says what to do."""


@dataclass(frozen=True)
class Limits:
    """The most that is read of one image; sizes are in bytes.

    `contents` are those of all layers uncompressed, `names` all paths and link targets together,
    `kept` what the inventory is made from, `manifest` one JSON file. Of larger `program`s,
    `database`s and `text`s only the digest is kept.
    """

    layers: int = 500
    entries: int = 400_000
    contents: int = 64 << 30
    names: int = 128 << 20
    kept: int = 128 << 20
    manifest: int = 8 << 20
    program: int = 256 << 20
    database: int = 256 << 20
    text: int = 16 << 20


class Budget:
    """What is left of the limits while an image is read."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._entries = limits.entries
        self._contents = limits.contents
        self._names = limits.names
        self._kept = limits.kept

    def entry(self, names: int) -> None:
        """Count an entry whose path and target have so many characters."""
        self._entries -= 1
        self._names -= names
        if self._entries < 0:
            raise ImageError(f"the image has more than {self.limits.entries:,} entries")
        if self._names < 0:
            raise ImageError(f"the image's paths are longer than {self.limits.names:,} characters")

    def content(self, size: int) -> None:
        """Count bytes that come out of a layer."""
        self._contents -= size
        if self._contents < 0:
            limit = self.limits.contents
            raise ImageError(f"the image's layers hold more than {limit:,} bytes")

    def keep(self, size: int) -> None:
        """Count characters that are kept of a content."""
        self._kept -= size
        if self._kept < 0:
            limit = self.limits.kept
            raise ImageError(
                f"the image's packages and programs say more than {limit:,} characters"
            )
