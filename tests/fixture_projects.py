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
    [rebuild]
    edit = "app.py"              a source file, and the steps (by a part of their text) that a
    keeps = ["pip install"]        rebuild after its edit takes from the cache, once refactored
    [secrets]
    build = {TOKEN = "..."}      given to the build: as an argument before, mounted after
    files = [".npmrc"]           copied before, mounted after
    run = {SECRET_KEY = "..."}   in the environment of the containers

Each secret is somewhere in the image before, and nowhere in it after. What refactoring must reach
is said by more keys, above the tables:

    expect = ["non-root", "smaller", "fewer layers", "starts", "kept steps", "stops"]
    max_size_ratio = 0.5         of the size after to the size before (never much larger: 1.01)
    made = ["set-mode-in-copy"]  changes that are among those that are made
    told = ["P701"]              codes of what is only told
"""

from __future__ import annotations

import re
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from refactor.batch import Wishes
from refactor.config import Config
from refactor.context import DiskContext
from refactor.effects.file_secrets import secret_id
from refactor.engine import Changed, Result, Unchanged, run
from refactor.model import Safety
from refactor.project import Site
from refactor.proof import asking, engines
from refactor.proof.asking import Request
from refactor.proof.engines import Job
from refactor.proof.images import Image
from refactor.proof.processes import Say, Voice
from refactor.proof.proving import Plan, prove
from refactor.proof.results import Build, Proof, Question
from refactor.proof.trees import edit
from tests.engine import Engine, start

FIXTURES = Path(__file__).parent.parent / "fixtures"
EXPECTATIONS = frozenset({"non-root", "smaller", "fewer layers", "starts", "kept steps", "stops"})
Scan = Callable[[str, str, Path], None]
BUILD_SECONDS = 900
# Programs that are asked nothing end: pandas takes its time. What stops at all does so at once.
ASKS = asking.Wishes(steady=60, grace=3)
# A secret that is mounted as a variable, and as the file that it is read from.
_MOUNT = re.compile(r"(?m)^(RUN (?:--\S+ )*--mount=type=secret,id=(\w+)),env=\2(\S*)((?: --\S+)*) ")
_READ = r'\1\3\4 export \2="$(cat /run/secrets/\2)" && '
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


@dataclass(frozen=True)
class Ask:
    """A question, and what its answer holds."""

    answer: str
    path: str = ""
    command: tuple[str, ...] = ()


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
    made: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    edit: str = ""
    keeps: tuple[str, ...] = ()
    build_secrets: Mapping[str, str] = field(default_factory=dict)
    run_secrets: Mapping[str, str] = field(default_factory=dict)
    secret_files: tuple[str, ...] = ()

    @property
    def secrets(self) -> dict[str, str]:
        """Return all secrets by the name of the variable or the file."""
        files = {name: (self.folder / name).read_text("utf-8") for name in self.secret_files}
        return {**self.build_secrets, **files, **self.run_secrets}

    @property
    def name(self) -> str:
        """Return the folder's name."""
        return self.folder.name


def load(folder: Path) -> Project:
    """Return the project of a folder."""
    data: dict[str, Any] = tomllib.loads((folder / "project.toml").read_text(encoding="utf-8"))
    asks = tuple(
        Ask(ask["answer"], ask.get("path", ""), tuple(ask.get("command", ())))
        for ask in data.pop("ask")
    )
    rebuild = data.pop("rebuild", {})
    secrets = data.pop("secrets", {})
    expect = frozenset(data.pop("expect", ()))
    assert expect <= EXPECTATIONS, f"{folder.name}: {sorted(expect - EXPECTATIONS)}"
    return Project(
        folder, data.pop("title"), asks, tuple(data.pop("images", ())), expect=expect,
        edit=rebuild.get("edit", ""), keeps=tuple(rebuild.get("keeps", ())),
        build_secrets=secrets.get("build", {}), run_secrets=secrets.get("run", {}),
        secret_files=tuple(secrets.get("files", ())), made=tuple(data.pop("made", ())),
        told=tuple(data.pop("told", ())), **data,
    )  # fmt: skip


def projects() -> list[Project]:
    """Return all projects by name."""
    return [load(path.parent) for path in sorted(FIXTURES.glob("*/project.toml"))]


def refactoring(
    folder: Path, level: Safety = Safety.RISKY, select: Sequence[str] = ("all",)
) -> Result:
    """Return what comes of the folder's Dockerfile."""
    data = (folder / "Dockerfile").read_bytes()
    config = Config(select=tuple(select), level=level)
    return run("Dockerfile", data, config, Site(DiskContext(folder)))


def refactored(
    folder: Path, level: Safety = Safety.RISKY, select: Sequence[str] = ("all",)
) -> dict[str, bytes]:
    """Return the files that a refactoring of the folder's Dockerfile changes or adds."""
    result = refactoring(folder, level, select)
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
                engine.build(name, Path(folder))
    return engine


class _WithoutEnv(engines.Engine):
    """An engine whose BuildKit is older than 0.16: it mounts secrets, but not as variables.

    So each RUN that is given one as a variable reads it from the mounted file.
    """

    def build(
        self, tag: str, folder: Path, dockerfile: Path, job: Job, cache: bool, say: Say
    ) -> Build:
        """Build an image."""
        text = dockerfile.read_text(encoding="utf-8")
        dockerfile.write_text(_MOUNT.sub(_READ, text), encoding="utf-8")
        return super().build(tag, folder, dockerfile, job, cache, say)


def prove_project(
    engine: Engine, project: Project, folder: Path, scan: Scan | None = None
) -> Proof:
    """Refactor a project with everything on, and prove it; `scan` is given both saved images."""
    before = lay(project, folder / "before")
    requests = tuple(
        Request(project.port, ask.path) if ask.path else Request(command=ask.command)
        for ask in project.asks
    )
    variables = tuple(f"{name}={value}" for name, value in project.run_secrets.items())
    plan = Plan(
        _job(project), replace(ASKS, variables=variables), requests=requests, together=True,
        scan=scan,
    )  # fmt: skip
    wishes = Wishes(level=Safety.RISKY, select=("all",))
    docker = _docker(engine, project)
    return prove(before / "Dockerfile", wishes, docker, plan, Voice(print, _nothing)).proof


def _job(project: Project) -> Job:
    return Job(
        tuple(f"{name}={value}" for name, value in project.build_secrets.items()),
        tuple(f"id={name},env={name}" for name in project.build_secrets)
        + tuple(f"id={secret_id(name)},src={project.folder / name}"
                for name in project.secret_files),
        network="host", seconds=BUILD_SECONDS,
    )  # fmt: skip


def _docker(engine: Engine, project: Project) -> engines.Engine:
    docker = engines.engine("docker", {**engine.environment, **project.build_secrets})
    if project.build_secrets:
        docker = _WithoutEnv(*(getattr(docker, one.name) for one in fields(docker)))
    return docker


def rebuilt(engine: Engine, project: Project, folder: Path) -> Build:
    """Edit a file of a project that was just proved, and build it with the cache, refactored."""
    again = lay(project, folder / "again")
    for path, data in refactored(again).items():
        (again / path).write_bytes(data)
    edit(again / project.edit)
    docker, tag = _docker(engine, project), f"dfr-test:{project.name}"
    try:
        return docker.build(tag, again, again / "Dockerfile", _job(project), True, _nothing)
    finally:
        docker.remove(tag)


def _nothing(line: str) -> None:
    """The logs of builds are in the proof where they are needed."""


def row(project: Project, proof: Proof) -> str:
    """Return a project's row of the table in docs/projects.md."""
    found = proof.comparison
    if found is None:
        return f"| `{project.name}` | {project.title} | | | | {proof.verdict}: {proof.reason} |"
    size = _change(*(f"{image.size / 1e6:.0f}" for image in (found.before, found.after)))
    layers = _change(len(found.before.layers), len(found.after.layers))
    who = _change(user(found.before, proof.questions, False),
                  user(found.after, proof.questions, True))  # fmt: skip
    return f"| `{project.name}` | {project.title} | {size} | {layers} | {who} | {proof.verdict} |"


def _change(before: object, after: object) -> str:
    return f"{before} → {after}" if before != after else f"{before}"


def user(image: Image, questions: Sequence[Question], after: bool) -> str:
    """Return whether an image's processes run as root, and whether none of them answers."""
    answers = [question.after if after else question.before for question in questions]
    uids = {answer.uid for answer in answers} - {None}
    named = image.settings.user.partition(":")[0] in ("", "0", "root")
    who = "root" if (0 in uids if uids else named) else "non-root"
    broken = bool(answers) and all(answer.error for answer in answers)
    return f"{who} (no answer)" if broken else who
