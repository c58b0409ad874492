"""Which files are no longer what they were where a branch left another one (`--since REF`).

git is asked only for what it reads from its objects: the merge base, and the names and digests in
its tree. The files are compared with those digests here. So nothing that a repository configures
is ever run: no hook, no monitor, no filter, no external diff, no fetch.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

SECONDS = 60
_ALONE = ("--no-pager", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
_SAFE = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # for git before 2.45, which fetches all the same
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_HASHES = {40: "sha1", 64: "sha256"}
_LINK = b"120000"

_Tree = Mapping[bytes, tuple[bytes, str]]  # mode and digest by path


class SinceError(ValueError):
    """What changed cannot be told; the message says what to do."""


def changed(files: Sequence[Path], ref: str) -> list[Path]:
    """Return the files that are not what they were at the merge base of REF and HEAD.

    Each file counts in the git repository that it is in. The file on disk is compared: what is
    committed, staged, only edited or new is the same to it. A new name is a change, a new mode or
    other ends of lines are none.
    """
    trees = cache(lambda root: _tree(root, ref))
    return [file for file in files if _differs(file, trees)]


def _differs(file: Path, trees: Callable[[Path], _Tree]) -> bool:
    home = file.parent.resolve() / file.name
    root = next((folder for folder in home.parents if os.path.lexists(folder / ".git")), None)
    if root is None:
        raise SinceError(f"--since: {file} is in no git repository")
    name = os.fsencode(home.relative_to(root).as_posix())
    mode, digest = trees(root).get(name, (b"", ""))
    try:
        if os.path.islink(home):
            target = os.fsencode(os.readlink(home))
            kept = mode == _LINK and _digest(target, digest) == digest
            return not kept or _differs(home.resolve(strict=True), trees)
        return not (digest and os.path.isfile(home) and _holds(home.read_bytes(), digest))
    except (OSError, RuntimeError, SinceError):
        return True  # it is gone, or leads elsewhere: whoever reads it says what is wrong


def _holds(data: bytes, digest: str) -> bool:
    """Whether git keeps these bytes under a digest, be it with other ends of lines."""
    return digest in (_digest(data, digest), _digest(data.replace(b"\r\n", b"\n"), digest))


def _digest(data: bytes, like: str) -> str:
    """Return the name that git gives to contents, by the hash that made another name."""
    made = hashlib.new(_HASHES[len(like)], b"blob %d\0" % len(data), usedforsecurity=False)
    made.update(data)
    return made.hexdigest()


def _tree(root: Path, ref: str) -> _Tree:
    """Return the files at the merge base of REF and HEAD."""
    ours, theirs = (_commit(root, name) for name in ("HEAD", ref))
    code, base, _ = _git(root, "merge-base", theirs, ours)
    if code:
        raise SinceError(f"--since: {ref} and HEAD have no commit in common{_hint(root)}")
    code, listing, said = _git(root, "ls-tree", "-r", "-z", "--full-tree", base.decode().strip())
    if code:
        raise SinceError(f"--since: git cannot read {root}: {said}")
    found = {}
    for entry in listing.split(b"\0")[:-1]:
        about, _, path = entry.partition(b"\t")
        mode, _, digest = about.split(b" ")
        found[path] = (mode, digest.decode())
    return found


def _commit(root: Path, name: str) -> str:
    code, out, said = _git(
        root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
    )
    if code > 1 or said:
        raise SinceError(f"--since: git cannot read {root}: {said}")
    if code:
        raise SinceError(f"--since: there is no commit {name!r} in {root}{_hint(root)}")
    return out.decode().strip()


def _hint(root: Path) -> str:
    _, out, _ = _git(root, "rev-parse", "--is-shallow-repository")
    if out.strip() != b"true":
        return ""
    return (
        ": its history is cut off; fetch all of it (GitHub: `fetch-depth: 0` of actions/checkout, "
        "GitLab: `GIT_DEPTH: 0`, else: `git fetch --unshallow`)"
    )


def _git(root: Path, *words: str) -> tuple[int, bytes, str]:
    """Run git on a repository; return how it ended, what it printed, and what it complained of."""
    # A folder that is named outright is not searched for, and so need not be the user's own: in a
    # container, a mounted one seldom is. Variables that point elsewhere are those of a git hook.
    command = ["git", *_ALONE, f"--git-dir={root / '.git'}", *words]
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        ended = subprocess.run(
            command, cwd=root.anchor, env={**own, **_SAFE}, stdin=subprocess.DEVNULL,
            capture_output=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise SinceError(f"--since: git took more than {SECONDS} s in {root}") from None
    except OSError as error:
        raise SinceError(f"--since: git cannot be run: {error.strerror}; install it") from None
    said = ended.stderr.decode("utf-8", "replace").strip()
    return ended.returncode, ended.stdout, said[:500]
