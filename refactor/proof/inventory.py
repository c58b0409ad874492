"""What an image has, and what of it cannot work."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from refactor.proof import packages
from refactor.proof.contents import Content
from refactor.proof.images import Defect, Image, Kind, Layer, Node, Package, Settings
from refactor.proof.linkage import APART, library_defects
from refactor.proof.packages import Installed, Unread
from refactor.proof.paths import Root, normal
from refactor.proof.starting import start_defects
from refactor.proof.tree import Slot

# What only is there in a running container, or is looked at by nobody but people.
_ELSEWHERE = re.compile(r"/(?:proc|sys|dev|run|tmp|var/(?:run|lock|tmp|cache)|etc/mtab)(?:/|\Z)")
_READING = re.compile(r"/usr/(?:local/)?(?:share/)?(?:man|doc|info|locale)(?:/|\Z)")


def image(settings: Settings, layers: tuple[Layer, ...], slots: Mapping[str, Slot]) -> Image:
    """Take stock of an image."""
    tree = {path: slot.node for path, slot in slots.items() if path}
    contents = {path: slot.content for path, slot in slots.items() if slot.content is not None}
    root = Root(tree)
    found = [one for one in contents.values() if isinstance(one, Installed)]
    return Image(
        settings=settings,
        layers=layers,
        tree=tree,
        packages=frozenset(package for one in found for package in one.packages).union(
            _undescribed(tree)
        ),
        defects=frozenset(_defects(root, contents, settings)),
        tools=frozenset(_real(root, (path for one in found for path in one.paths))),
        modules=frozenset(_real(root, (path for one in found for path in one.programs))),
        unread=tuple(sorted({one.why for one in contents.values() if isinstance(one, Unread)})),
    )


def _undescribed(tree: Mapping[str, Node]) -> Iterator[Package]:
    """Yield the Python distributions of which only the folder's name tells."""
    for path, node in tree.items():
        if path.endswith((".dist-info", ".egg-info")) and node.kind is Kind.FOLDER:
            name = "METADATA" if path.endswith(".dist-info") else "PKG-INFO"
            if f"{path}/{name}" not in tree and (found := packages.named(path)):
                yield found


def _real(root: Root, paths: Iterator[str]) -> Iterator[str]:
    """Yield where files are: dpkg lists `/lib/x`, which may lie in /usr/lib."""
    for path in paths:
        found = root.find(normal(path), last=False) if path[:1] == "/" and path[1:] else None
        if found and not found.problem and root.tree[found.path].kind is not Kind.FOLDER:
            yield found.path


def _defects(root: Root, contents: Mapping[str, Content], settings: Settings) -> Iterator[Defect]:
    yield from _link_defects(root)
    yield from library_defects(root, contents, settings)
    yield from start_defects(root, contents, settings)


def _link_defects(root: Root) -> Iterator[Defect]:
    for path, node in root.tree.items():
        if node.kind is not Kind.LINK or _ELSEWHERE.match(path) or APART.search(path):
            continue
        found = root.find(path)
        if found.problem == "loop":
            yield Defect("link", path, f"points to {node.target}, which leads in a circle")
        elif found.problem and not any(r.match(found.path) for r in (_ELSEWHERE, _READING)):
            yield Defect("link", path, f"points to {node.target}, which is not there")
