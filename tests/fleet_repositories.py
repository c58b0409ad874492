"""Bare git repositories, made of files in a stream, for tests and measurements of campaigns."""

from __future__ import annotations

import csv
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.corpus import files as dockerfiles

DATE = "1700000000 +0000"
AUTHOR = "Somebody <somebody@example.com>"
_ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if not k.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def git(*words: str, folder: Path, input: bytes | None = None) -> bytes:
    """Run git on a repository, without the configuration of whoever tests."""
    return subprocess.run(
        ["git", "-C", str(folder), *words], input=input, stdout=subprocess.PIPE, check=True,
        env=_ENVIRONMENT,
    ).stdout  # fmt: skip


def repository(folder: Path, files: Mapping[str, bytes], branch: str = "main") -> Path:
    """Make a bare repository with one commit; without files it is empty."""
    folder.mkdir(parents=True)
    git("init", "-q", "--bare", "--template=", f"--initial-branch={branch}", folder=folder)
    config = folder / "config"
    config.write_text(config.read_text() + "[uploadpack]\n\tallowFilter = true\n")
    if files:
        commit(folder, files, branch)
    return folder


def commit(folder: Path, files: Mapping[str, bytes], branch: str = "main") -> None:
    """Make a commit that holds these files and no others; a key may name a mode: `120000 path`."""
    stream = [
        f"commit refs/heads/{branch}\ncommitter {AUTHOR} {DATE}\ndata 4\nfile\n",
        f"from refs/heads/{branch}^0\n" if (folder / "refs/heads" / branch).exists() else "",
        "deleteall\n",
    ]
    parts = ["".join(stream).encode()]
    for key, data in files.items():
        mode, _, path = key.partition(" ") if key[:6].isdigit() else ("100644", "", key)
        name = path.encode("utf-8", "surrogateescape").replace(b"\\", b"\\\\")
        name = name.replace(b'"', b'\\"').replace(b"\n", b"\\n")
        parts.append(b'M %s inline "%s"\n' % (mode.encode(), name))
        parts.append(b"data %d\n%s\n" % (len(data), data))
    git("fast-import", "--quiet", "--done", folder=folder, input=b"".join([*parts, b"done\n"]))


def of_corpus(root: Path, count: int) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield the names and files of repositories: complete contexts first, then single Dockerfiles.

    One in fifty has none, is empty, or has opted out.
    """
    contexts = list(_contexts(root))
    single = [path for path in dockerfiles(root) if path.is_file()]
    step = max(1, len(single) // max(1, count))
    for number in range(count):
        name = f"app-{number:05}"
        found = dict(contexts[number // 2 % len(contexts)]) if number % 2 and contexts else {}
        if not found:
            found["Dockerfile"] = single[number * step % len(single)].read_bytes()
            found["README.md"] = b"# An application\n"
            if number % 10 == 0:
                other = single[(number * step + 1) % len(single)]
                found["services/api/Dockerfile"] = other.read_bytes()
        if number % 50 == 46:
            found = {"README.md": b"# Nothing to build\n"}
        elif number % 50 == 47:
            found = {}
        elif number % 50 == 48:
            found[".dockerfile-refactor.toml"] = b"[fleet]\nenabled = false\n"
        yield name, found


def _contexts(root: Path) -> Iterator[dict[str, bytes]]:
    with (root / "dev" / "contexts.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in rows:
        base = root / "dev" / "contexts" / row["id"]
        found = {
            path.relative_to(base).as_posix(): path.read_bytes()
            for path in sorted(base.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }
        if found:
            yield found


def made(root: Path, folder: Path, count: int) -> Path:
    """Make bare repositories of the corpus; return the file that lists them."""
    for name, files in of_corpus(root, count):
        repository(folder / f"{name}.git", files)
    found = sorted(folder.glob("*.git"))
    (folder / "list.txt").write_text("".join(f"{path}\n" for path in found))
    return folder / "list.txt"
