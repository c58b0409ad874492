"""The projects in `fixtures/` that have a project.toml: refactored, built, started and asked.

What a project.toml says:

    title = "..."                what kind of naive container it is
    images = ["python:3.11"]     what the engine must have to build it, before and after
    unbuilt = "..."              why it cannot be built here: it is only refactored
    broken = "..."               how the image as it is complains, because it does not even start
    port = 8000                  where it is asked
    [[ask]]                      one question: its answer is the same before and after
    path = "/"                     a request to the port, or
    command = ["--help"]           what to run in place of CMD ([]: CMD itself)
    answer = "..."                 what the answer holds
    files = { "/a/b" = "..." }     what files hold that the command wrote
    [rebuild]
    edit = "app.py"              a source file, and the steps (by a part of their text) that a
    keeps = ["pip install"]        rebuild after its edit takes from the cache, once refactored

What refactoring must reach is said by two more keys, above the tables:

    expect = ["non-root", "smaller", "fewer layers", "starts", "kept steps"]
    max_size_ratio = 0.5         of the size after to the size before (never much larger: 1.01)
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from refactor.config import Config
from refactor.context import DiskContext
from refactor.engine import Changed, Unchanged, run
from refactor.model import Safety
from refactor.project import Site
from tests.engine import Engine, start

FIXTURES = Path(__file__).parent.parent / "fixtures"
EXPECTATIONS = frozenset({"non-root", "smaller", "fewer layers", "starts", "kept steps"})
BUILD_SECONDS, ANSWER_SECONDS = 900, 60
# Images that the engine's scripts cannot make, made of those that they can: what the image starts
# from and copies from, and how it is built.
STAND_INS = {
    "node:20": (
        ("buildpack-deps:bookworm", "node:20-slim"),
        "FROM buildpack-deps:bookworm\n"
        "RUN groupadd --gid 1000 node && useradd --uid 1000 --gid 1000 --create-home node\n"
        "COPY --from=node:20-slim /usr/local/ /usr/local/\n"
        'ENTRYPOINT ["docker-entrypoint.sh"]\nCMD ["node"]\n',
    ),
    "rust:1.85": (  # Debian's compiler is older than the name says
        ("buildpack-deps:bookworm",),
        "FROM buildpack-deps:bookworm\n"
        "ENV CARGO_HOME=/usr/local/cargo\n"
        "RUN apt-get update && apt-get install -y --no-install-recommends cargo rustc "
        "&& rm -rf /var/lib/apt/lists/*\n",
    ),
}
_COMMENTS = {".py": "# {}", ".js": "// {}", ".ts": "// {}"}
_STEP = re.compile(r"^#(\d+) \[(?:\S+ +)?\d+/\d+\] (?!FROM )(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Ask:
    """A question, and what its answer holds."""

    answer: str
    path: str = ""
    command: tuple[str, ...] = ()
    files: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Project:
    """A fixture, and what its project.toml says."""

    folder: Path
    title: str
    asks: tuple[Ask, ...]
    images: tuple[str, ...] = ()
    unbuilt: str = ""
    broken: str = ""
    port: int = 0
    expect: frozenset[str] = frozenset()
    max_size_ratio: float = 1.01
    edit: str = ""
    keeps: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the folder's name."""
        return self.folder.name


class Image(NamedTuple):
    """An image that was built."""

    tag: str
    size: int
    layers: int
    user: str


class Behaviour(NamedTuple):
    """What an image answers, whether anything in it runs as root, and why it does not start."""

    answers: tuple[str, ...]
    root: bool
    complaint: str = ""


class Version(NamedTuple):
    """A project as it is, or once refactored: its folder, its image and what that does."""

    folder: Path
    image: Image
    behaviour: Behaviour


def load(folder: Path) -> Project:
    """Return the project of a folder."""
    data: dict[str, Any] = tomllib.loads((folder / "project.toml").read_text(encoding="utf-8"))
    asks = tuple(
        Ask(ask["answer"], ask.get("path", ""), tuple(ask.get("command", ())), ask.get("files"))
        for ask in data.pop("ask")
    )
    rebuild = data.pop("rebuild", {})
    expect = frozenset(data.pop("expect", ()))
    assert expect <= EXPECTATIONS, f"{folder.name}: {sorted(expect - EXPECTATIONS)}"
    return Project(
        folder, data.pop("title"), asks, tuple(data.pop("images", ())), expect=expect,
        edit=rebuild.get("edit", ""), keeps=tuple(rebuild.get("keeps", ())), **data,
    )  # fmt: skip


def projects() -> list[Project]:
    """Return all projects by name."""
    return [load(path.parent) for path in sorted(FIXTURES.glob("*/project.toml"))]


def refactored(
    folder: Path, level: Safety = Safety.RISKY, select: Sequence[str] = ("all",)
) -> dict[str, bytes]:
    """Return the files that a refactoring of the folder's Dockerfile changes or adds."""
    data = (folder / "Dockerfile").read_bytes()
    config = Config(select=tuple(select), level=level)
    result = run("Dockerfile", data, config, Site(DiskContext(folder)))
    if isinstance(result, Unchanged):
        return {}
    assert isinstance(result, Changed), result
    return {"Dockerfile": result.after} | {other.path: other.after for other in result.others}


def lay(project: Project, target: Path, files: Mapping[str, bytes] | None = None) -> Path:
    """Copy a project without its project.toml to a new folder, and write files into the copy."""
    shutil.copytree(project.folder, target, ignore=shutil.ignore_patterns("project.toml"))
    for path, data in (files or {}).items():
        (target / path).write_bytes(data)
    return target


def engine_for(wanted: Sequence[Project]) -> Engine:
    """Return a running engine that has the images of the projects."""
    names = {image for project in wanted for image in project.images}
    made = sorted(names & STAND_INS.keys())
    names |= {base for name in made for base in STAND_INS[name][0]}
    engine = start(tuple(sorted(names - STAND_INS.keys())))
    for name in made:
        if not engine.docker("images", "--quiet", name):
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "Dockerfile").write_text(STAND_INS[name][1])
                build(engine, name, Path(folder))
    return engine


def build(engine: Engine, tag: str, folder: Path) -> Image:
    """Build a folder without cache."""
    engine.docker(
        "build", "--no-cache", "--network=host", "--quiet", "--tag", tag, str(folder),
        timeout=BUILD_SECONDS,
    )  # fmt: skip
    found = json.loads(engine.docker("image", "inspect", tag))[0]
    layers = len(found["RootFS"]["Layers"])
    return Image(tag, found["Size"], layers, found["Config"].get("User") or "root")


def compare(engine: Engine, project: Project, folder: Path) -> tuple[Version, Version]:
    """Build and ask a project before and after its refactoring; the images are removed."""

    def version(name: str) -> Version:
        tag = f"dfr-{project.name}:{name}"
        try:
            image = build(engine, tag, folder / name)
            return Version(folder / name, image, behaviour(engine, image, project))
        finally:
            engine.docker("image", "rm", "--force", tag)

    before = lay(project, folder / "before")
    lay(project, folder / "after", refactored(before))
    with ThreadPoolExecutor(2) as pool:  # one waits for the network while the other works
        first, second = pool.map(version, ("before", "after"))
    return first, second


def behaviour(engine: Engine, image: Image, project: Project) -> Behaviour:
    """Return what an image answers to all that a project asks, in the same order."""
    root = image.user.partition(":")[0] in ("root", "0")
    if project.broken and (complaint := _complaint(engine, image.tag)):
        return Behaviour((), root, complaint)
    answers = []
    if requests := [ask for ask in project.asks if ask.path]:
        with _served(engine, image.tag) as name:
            for ask in requests:
                url = f"http://127.0.0.1:{project.port}{ask.path}"
                answers.append((ask, _request(engine, name, url)))
            listed = engine.docker("top", name, "-eo", "pid,uid").splitlines()[1:]
            root = any(line.split()[1] == "0" for line in listed)
    answers += [(ask, _said(engine, image.tag, ask)) for ask in project.asks if not ask.path]
    for ask, answer in answers:
        assert ask.answer in answer, f"{image.tag}: {answer[-2000:]}"
    return Behaviour(tuple(answer for _, answer in answers), root)


@contextmanager
def _served(engine: Engine, tag: str) -> Iterator[str]:
    name = f"dfr-{uuid4().hex[:12]}"
    try:
        engine.docker("run", "--detach", "--name", name, "--network=none", tag)
        yield name
    finally:
        engine.docker("rm", "--force", "--volumes", name)


def _request(engine: Engine, name: str, url: str) -> str:
    """Ask from inside the container's network, with the client of the machine."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        state = json.loads(engine.docker("inspect", "--format", "{{json .State}}", name))
        command = ["nsenter", "-t", str(state["Pid"]), "-n", "curl", "-sS", "-f", "-m", "10", url]
        result = subprocess.run(command, capture_output=True, encoding="utf-8")
        if result.returncode == 0:
            return result.stdout
        if not state["Running"] or time.monotonic() > deadline:
            logs = _printed(engine, "container", "logs", name)
            raise AssertionError(f"{url}: {result.stderr} {state} {logs[-2000:]}")
        time.sleep(0.2)


def _said(engine: Engine, tag: str, ask: Ask) -> str:
    """Run the command to its end; return what it printed and wrote."""
    name = f"dfr-{uuid4().hex[:12]}"
    try:
        said = engine.docker("run", "--name", name, "--network=none", tag, *ask.command)
        for path, part in (ask.files or {}).items():
            with tempfile.TemporaryDirectory() as folder:
                engine.docker("cp", f"{name}:{path}", f"{folder}/file")
                text = (Path(folder) / "file").read_bytes().decode("latin-1")
            assert part in text, f"{tag}: {path}"
            said += f"\n{path}:\n{text}"
        return said
    finally:
        engine.docker("rm", "--force", "--volumes", name)


def _complaint(engine: Engine, tag: str) -> str:
    """Return why an image does not start; nothing if it does."""
    try:
        with _served(engine, tag) as name:
            time.sleep(1)
            running = engine.docker("inspect", "--format", "{{.State.Running}}", name) == "true"
            return "" if running else f"it stopped: {_printed(engine, 'container', 'logs', name)}"
    except AssertionError as error:
        return str(error)


def rebuild_steps(engine: Engine, folder: Path, edit: str) -> list[str]:
    """Build with the cache, edit one source file, build again; return the steps that ran again."""
    name = f"dfr-rebuild-{uuid4().hex[:12]}"
    file = folder / edit
    try:
        _built_with_cache(engine, f"{name}:first", folder)
        with file.open("a", encoding="utf-8") as stream:  # a text that no build has seen yet
            stream.write(_COMMENTS[file.suffix].format(f"edited {uuid4()}") + "\n")
        log = _built_with_cache(engine, f"{name}:again", folder)
    finally:
        engine.docker("image", "rm", "--force", f"{name}:first", f"{name}:again")
    return [text for number, text in _STEP.findall(log) if f"\n#{number} CACHED\n" not in log]


def _built_with_cache(engine: Engine, tag: str, folder: Path) -> str:
    command = ("build", "--network=host", "--progress=plain", "--tag", tag, str(folder))
    return _printed(engine, *command)


def _printed(engine: Engine, *words: str) -> str:
    """Run the client; return all that it prints, what it complains about included."""
    result = subprocess.run(
        ["docker", *words], env=engine.environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding="utf-8", timeout=BUILD_SECONDS,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-3000:]
    return result.stdout
