"""Container engines behind one small interface: docker, podman, buildah, by their command lines.

Nothing is pushed anywhere, and what is made carries a name of ours, so that it can be removed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refactor.proof import processes
from refactor.proof.processes import Absent, Ended, Say
from refactor.proof.results import Build

NAMES = ("docker", "podman", "buildah")
MAX_LOG = 20
QUICK = 120.0  # seconds for what is not a build
INSTALL = "install Docker Engine (https://docs.docker.com/engine/install/), podman or buildah"


class EngineError(RuntimeError):
    """The engine is not there, went away, or has no space left: no fault of any Dockerfile."""


@dataclass(frozen=True)
class Job:
    """What is passed through to each build. `secrets` are as `docker build --secret` takes them."""

    arguments: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    target: str = ""
    platform: str = ""
    network: str = ""
    seconds: float = 1800.0

    @property
    def options(self) -> list[str]:
        """The command line's options."""
        found = [f"--build-arg={argument}" for argument in self.arguments]
        found += [f"--secret={secret}" for secret in self.secrets]
        for name in ("target", "platform", "network"):
            if value := getattr(self, name):
                found.append(f"--{name}={value}")
        return found


@dataclass(frozen=True)
class Engine:
    """One engine. `program` is the name of its command."""

    program: str
    environment: Mapping[str, str] | None = None
    runs: bool = True  # whether it starts containers, too
    _version: tuple[str, ...] = ("version", "--format", "json")
    _build: tuple[str, ...] = ("build",)
    _made: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise EngineError if the engine does not answer."""
        ended = self._call(*self._version, seconds=30)
        if ended.code != 0:
            said = ended.text.strip().splitlines()[-1:] or ["no answer"]
            raise EngineError(f"{self.program} does not answer: {said[0][:300]}")

    def build(
        self, tag: str, folder: Path, dockerfile: Path, job: Job, cache: bool, say: Say
    ) -> Build:
        """Build an image; what fails is in the result, unless it is the engine that failed."""
        command = [*self._build, "--file", str(dockerfile), "--tag", tag, *job.options]
        command += [] if cache else ["--no-cache"]
        self._made.append(tag)  # first: an engine may finish what is interrupted here
        ended = self._call(*command, str(folder), seconds=job.seconds, say=say)
        found = read_log(ended)
        if found.failed:
            self._blame(ended)
        return found

    def _blame(self, ended: Ended) -> None:
        """Raise EngineError if a build failed for the engine's own reasons."""
        if re.search(r"(?i)no space left on device|disk quota exceeded", ended.text):
            raise EngineError(
                f"no space left for {self.program}: free some (`{self.program} system prune`)"
            )
        if match := _USE.search(ended.text):
            raise EngineError(f"{self.program}: {match[0].strip()}: it is too old, or lacks buildx")
        self.check()

    def save(self, tag: str, target: Path) -> None:
        """Write an image to a file, in the format of `docker save` or of OCI."""
        self._saved(target, "save", "--output", str(target), tag)

    def _saved(self, target: Path, *command: str) -> None:
        ended = self._call(*command, seconds=1800)
        if ended.code != 0 and "no space left" in ended.text:
            raise EngineError(
                f"no space left in {target.parent}, where an image is kept while it is read: free "
                "some, or let TMPDIR name another folder"
            )
        if ended.code != 0:
            self.check()
            raise EngineError(f"{self.program} {command[0]}: {_last(ended.text)}")

    def start(self, name: str, tag: str, options: Sequence[str], command: Sequence[str]) -> None:
        """Start a container in the background; raise EngineError if it cannot even be made."""
        self._made.append(f"container {name}")
        self.run("run", "--detach", "--name", name, *options, tag, *command)

    def state(self, name: str) -> dict[str, Any]:
        """Return the state of a container, as the engine describes it."""
        text = self.run("inspect", "--format", "{{json .}}", name)
        lines = [line for line in text.splitlines() if line.startswith("{")]  # no warnings
        try:
            found: dict[str, Any] = json.loads(lines[-1])
        except (IndexError, ValueError):
            raise EngineError(f"{self.program} inspect: {_last(text)}") from None
        return found

    @property
    def is_local(self) -> bool:
        """Whether containers are processes of this machine."""
        host = (self.environment or os.environ).get("DOCKER_HOST", "")
        return self.program != "docker" or host.startswith("unix://") or not host

    def output(self, name: str) -> str:
        """Return what a container printed."""
        return self._call("logs", name).text

    def execute(self, name: str, command: Sequence[str], seconds: float) -> Ended:
        """Run a command in a running container."""
        return self._call("exec", name, *command, seconds=seconds)

    def stop(self, name: str, seconds: int) -> float:
        """Stop a container with its stop signal; return how long that took."""
        return self._call("stop", "--time", str(seconds), name, seconds=seconds + QUICK).seconds

    def remove_container(self, name: str) -> None:
        """Remove a container with its volumes, if it is there."""
        self._forget(f"container {name}", "rm", "--force", "--volumes", name)

    def remove(self, tag: str) -> None:
        """Remove an image, if it is there."""
        self._forget(tag, *self._remove(tag))

    def _remove(self, tag: str) -> tuple[str, ...]:
        return ("image", "rm", "--force", tag)

    @property
    def left(self) -> tuple[str, ...]:
        """What was made and could not be removed."""
        return tuple(dict.fromkeys(self._made))

    def _forget(self, what: str, *command: str) -> None:
        try:
            ended = self._call(*command)
        except EngineError:
            return
        if ended.code == 0 or re.search(r"(?i)no such|not known|not found", ended.text):
            with suppress(ValueError):
                while True:  # each step is one that no other thread gets between
                    self._made.remove(what)

    def run(self, *words: str, seconds: float = QUICK) -> str:
        """Run the engine's command and return what it prints; raise EngineError if it fails."""
        ended = self._call(*words, seconds=seconds)
        if ended.code == 0:
            return ended.text.strip()
        if ended.code is None:
            raise EngineError(f"{self.program} {words[0]} took more than {seconds:.0f} s")
        self._blame(ended)
        raise EngineError(f"{self.program} {words[0]}: {_last(ended.text)}")

    def _call(self, *words: str, seconds: float = QUICK, say: Say | None = None) -> Ended:
        try:
            return processes.run([self.program, *words], seconds, self.environment, say)
        except Absent as error:
            raise EngineError(f"{error}; {INSTALL}") from None


class Buildah(Engine):
    """buildah: it builds, and starts nothing in the background."""

    def save(self, tag: str, target: Path) -> None:
        """Write an image to a file."""
        self._saved(target, "push", tag, f"docker-archive:{target}")

    def _remove(self, tag: str) -> tuple[str, ...]:
        return ("rmi", "--force", tag)


_ENGINES: Mapping[str, Callable[[Mapping[str, str] | None], Engine]] = {
    # --load: a builder of another kind would keep the image to itself
    "docker": lambda env: Engine(
        "docker", env, _build=("build", "--load", "--progress=plain", "--provenance=false")
    ),
    "podman": lambda env: Engine("podman", env),
    "buildah": lambda env: Buildah("buildah", env, False, ("version", "--json")),
}


def engine(name: str = "", environment: Mapping[str, str] | None = None) -> Engine:
    """Return the engine of a name, or the first that answers."""
    path = (environment or {}).get("PATH")
    if name and name not in _ENGINES:
        raise EngineError(f"no engine is called {name!r}: there are {', '.join(NAMES)}")
    there = [n for n in NAMES if shutil.which(n, path=path)] if not name else [name]
    if name and not shutil.which(name, path=path):
        raise EngineError(f"{name} is not installed; {INSTALL}")
    complaints = []
    for candidate in there:
        found = _ENGINES[candidate](environment)
        try:
            found.check()
        except EngineError as error:
            complaints.append(str(error))
            continue
        return found
    if complaints:
        raise EngineError("; ".join(complaints))
    raise EngineError(f"no container engine is installed: {INSTALL}")


# What is said where the network fails, and not the name of an image.
NOT_FETCHED = re.compile(
    r"(?i)failed to do request.*(?:no such host|timeout|refused|reset|unreachable)|toomanyrequests"
)
# What a client prints that does not know how to build as it is asked to.
_USE = re.compile(
    r"(?i)^.*(?:unknown (?:shorthand )?flag|not currently support exporting|buildx.*(?:missing|not "
    r"found)|is not a docker command).*$", re.MULTILINE,
)  # fmt: skip
# What BuildKit prints of a step: `#7 [build 2/4] RUN make`, then `#7 CACHED`, `DONE` or `ERROR`.
_STEP = re.compile(r"^#(\d+) \[(?:[^\]\n]* )?\d+/\d+\] (.+)$", re.MULTILINE)
_STATE = re.compile(r"^#(\d+) (CACHED|ERROR\b|CANCELED)", re.MULTILINE)
# What podman and buildah print: `STEP 2/4: RUN make`, `[1/2] STEP 2/4: ...`, `--> Using cache`.
_STEPS = re.compile(r"^(?:\[\d+/\d+\] )?STEP \d+(?:/\d+)?: (.+)$", re.MULTILINE)


def read_log(ended: Ended) -> Build:
    """Return what a build did, from its log."""
    text = ended.text
    states = dict(_STATE.findall(text))
    steps = dict(_STEP.findall(text))
    if steps:
        ran = [step for number, step in steps.items() if states.get(number) != "CACHED"]
        cached = [step for number, step in steps.items() if states.get(number) == "CACHED"]
        failed = next((s for n, s in steps.items() if states.get(n) == "ERROR"), "")
    else:
        ran, cached = _classic(text)
        failed = ran[-1] if ran and ended.code != 0 else ""
    ran = [step for step in ran if not step.upper().startswith("FROM ")]
    cached = [step for step in cached if not step.upper().startswith("FROM ")]
    if ended.code == 0:
        return Build(ended.seconds, tuple(ran), tuple(cached))
    if ended.code is None:
        failed, text = failed or "the build", f"{text}\nstopped after {ended.seconds:.0f} s"
    lines = tuple(line for line in text.splitlines() if line.strip())[-MAX_LOG:]
    return Build(ended.seconds, tuple(ran), tuple(cached), failed or "the build", lines)


def _classic(text: str) -> tuple[list[str], list[str]]:
    ran: list[str] = []
    cached: list[str] = []
    matches = list(_STEPS.finditer(text))
    for number, match in enumerate(matches):
        end = matches[number + 1].start() if number + 1 < len(matches) else len(text)
        used = "--> Using cache" in text[match.end() : end]
        (cached if used else ran).append(match[1])
    return ran, cached


def _last(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it failed without a word"
