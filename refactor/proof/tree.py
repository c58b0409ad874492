"""The files of an image: its layers laid over each other, with what later ones delete."""

from __future__ import annotations

from typing import NamedTuple

from refactor.proof.contents import Content, weight
from refactor.proof.images import Kind, Node
from refactor.proof.limits import Budget, ImageError
from refactor.proof.paths import normal, parent

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_AUFS = ".wh..wh."  # what that file system kept for itself
_FOLDER = Node(Kind.FOLDER, 0o755, 0, 0)
_MAX_HOPS = 40  # links that are followed for one path
_MAX_STEPS = 20_000_000  # parts of paths that are looked at for links above a path


class Slot(NamedTuple):
    """What stands at a path: `layer` is the number of the one that put it there.

    `own` are the bytes that this layer holds for it: none for a further name of a file.
    """

    node: Node
    layer: int
    own: int = 0
    content: Content = None


class Tree:
    """What stands where, after the layers so far. The root is the empty path."""

    def __init__(self, budget: Budget) -> None:
        self.slots: dict[str, Slot] = {"": Slot(_FOLDER, 0)}
        self.wasted: dict[int, int] = {}
        self._budget = budget
        self._below: dict[str, set[str]] = {"": set()}
        self._layer = -1
        self._steps = _MAX_STEPS
        self._clean: set[str] = set()  # folders that lower layers have no more part in

    def next_layer(self) -> None:
        """Begin with the next layer."""
        self._layer += 1
        self._clean = set()

    def add(self, name: str, node: Node, own: int, content: Content) -> None:
        """Put something at a path of the current layer, or delete what its name says."""
        path = normal(name, "a layer")
        last = path.rpartition("/")[2]
        if last.startswith(_WHITEOUT) or "/" + _AUFS in path:
            self._whiteout(path, last)
            return
        self._budget.entry(len(path) + len(node.target))
        self._budget.keep(weight(content))
        self._put(self._placed(path), Slot(node, self._layer, own, content))

    def link(self, name: str, target: str) -> None:
        """Put a further name of a file at a path of the current layer."""
        path = normal(name, "a layer")
        if "/" + _AUFS in path:
            return
        self._budget.entry(len(path))
        slot = self.slots.get(self._placed(normal(target, "a layer")))
        if slot is None or slot.node.kind is Kind.FOLDER:
            raise ImageError(f"a layer has a hard link to what is not there: {target[:200]!r}")
        self._put(self._placed(path), Slot(slot.node, self._layer, 0, slot.content))

    def _put(self, path: str, slot: Slot) -> None:
        old = self.slots.get(path)
        is_folder = slot.node.kind is Kind.FOLDER
        if old is not None and not (is_folder and path in self._below):
            if not path:
                raise ImageError("a layer has a file in the place of the root folder")
            self._drop(path)
        self.slots[path] = slot
        if path:
            above, _, name = path.rpartition("/")
            self._below[above].add(name)
        if is_folder:
            self._below.setdefault(path, set())

    def _placed(self, path: str) -> str:
        """Return where a path is, with links above it followed; make the folders that it needs."""
        above, _, name = path.rpartition("/")
        if above in self._below or not path:
            return path
        at, hops = "", 0
        todo = above.split("/")[:0:-1]
        while todo:
            self._steps -= 1
            if self._steps < 0:
                raise ImageError("the image's symbolic links are too tangled to follow")
            part = todo.pop()
            if part in ("", ".", ".."):  # of a link: above the root is the root
                at = parent(at) if part == ".." else at
                continue
            here = f"{at}/{part}"
            slot = self.slots.get(here)
            if slot and slot.node.kind is Kind.LINK and hops < _MAX_HOPS:
                hops += 1
                target = slot.node.target
                todo += target.split("/")[::-1]
                at = "" if target.startswith("/") else at
                continue
            if here not in self._below:
                self._budget.entry(len(here))
                self._put(here, Slot(_FOLDER, self._layer))
            at = here
        return f"{at}/{name}"

    def _whiteout(self, path: str, last: str) -> None:
        self._budget.entry(len(path))
        if last == _OPAQUE:
            self._clear(self._placed(path).removesuffix("/" + _OPAQUE), keep=True)
            return
        name = last.removeprefix(_WHITEOUT)
        if "/" + _AUFS in path:
            return
        if name in ("", ".", ".."):
            raise ImageError(f"a layer deletes what has no name: {path[:200]!r}")
        gone = parent(self._placed(path)) + "/" + name
        if gone in self._below:
            self._clear(gone, keep=False)
        elif gone in self.slots and self.slots[gone].layer < self._layer:
            self._drop(gone)

    def _clear(self, top: str, keep: bool) -> None:
        """Drop what lower layers put below a folder, and itself if nothing is left of it.

        A folder is gone through once a layer, however often it is named.
        """
        todo, folders = [top], []
        while todo:
            folder = todo.pop()
            if folder in self._clean:
                continue
            self._clean.add(folder)
            folders.append(folder)
            for name in list(self._below.get(folder, ())):
                path = f"{folder}/{name}"
                if path in self._below:
                    todo.append(path)
                elif self.slots[path].layer < self._layer:
                    self._drop(path)
        for folder in reversed(folders[1:] if keep else folders):
            if not self._below[folder] and self.slots[folder].layer < self._layer:
                self._drop(folder)

    def _drop(self, path: str) -> None:
        """Take away a path with all that is below it."""
        above, _, name = path.rpartition("/")
        self._below[above].discard(name)
        todo = [path]
        while todo:
            at = todo.pop()
            slot = self.slots.pop(at)
            if slot.layer < self._layer:
                self.wasted[slot.layer] = self.wasted.get(slot.layer, 0) + slot.own
            todo += (f"{at}/{below}" for below in self._below.pop(at, ()))
            self._clean.discard(at)
