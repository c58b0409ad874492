"""Containers of both images, isolated, asked the same questions."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import uuid4

from refactor.proof.engines import Engine, EngineError
from refactor.proof.images import Settings
from refactor.proof.processes import side_by_side
from refactor.proof.results import Answer, Question

KILLED = 137  # 128 + SIGKILL
MAX_TEXT = 64 * 1024
_NOT_YET = (502, 503, 504)  # what a service says that is not up yet
POLL = 0.3  # seconds

# Asks from inside a container's network, with this Python: an image need not have a client.
_PROBE = """
import http.client, json, sys
port, path = int(sys.argv[1]), sys.argv[2]
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
connection.request("GET", path, headers={"Host": f"localhost:{port}", "User-Agent": "dfr"})
answer = connection.getresponse()
body = answer.read(1048576).decode("utf-8", "replace")
print(json.dumps([answer.status, answer.headers.get_content_type(), body]))
"""


class _NotStarted(Exception):
    """There is no process: its program is not there, or may not be run."""


class Request(NamedTuple):
    """A question about an image: a request to a port, or a command; neither: does it last."""

    port: int = 0
    path: str = "/"
    command: tuple[str, ...] = ()
    health: bool = False  # the command is run in the container that CMD started

    def __str__(self) -> str:
        if self.port:
            return f"GET :{self.port}{self.path}"
        if self.health:
            return f"HEALTHCHECK {shlex.join(self.command)}"
        return shlex.join(self.command) if self.command else "starts, and goes on or ends"


@dataclass(frozen=True)
class Wishes:
    """How containers are started. `network` is `none`: they reach nothing but themselves.

    `seconds` is how long an answer may take, from the start on; `grace` how long a stop may take;
    `steady` how long a container that is asked nothing must last to be taken for a server.
    `variables` are `NAME=VALUE`, for the containers.
    """

    network: str = "none"
    seconds: float = 60.0
    grace: int = 10
    steady: float = 3.0
    variables: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        """The command line's options."""
        return [f"--network={self.network}", *(f"--env={pair}" for pair in self.variables)]


def of_settings(settings: Settings) -> list[Request]:
    """Return what an image's own configuration lets one ask."""
    found: list[Request] = []
    check = settings.healthcheck
    if check[:1] == ("CMD",):
        found.append(Request(command=check[1:], health=True))
    elif check[:1] == ("CMD-SHELL",):
        shell = settings.shell or ("/bin/sh", "-c")
        found.append(Request(command=(*shell, *check[1:]), health=True))
    matches = (re.fullmatch(r"(\d+)(?:/tcp)?", port) for port in settings.ports)
    found += [Request(port=port) for port in sorted(int(m[1]) for m in matches if m)]
    return found or [Request()]


def read_http(text: str) -> Request:
    """Read `PORT` or `PORT/PATH`; raise ValueError if it is neither."""
    match = re.fullmatch(r":?(\d{1,5})(/[^\s\x00-\x1f\x7f]*)?", text)
    if match is None or not 0 < int(match[1]) < 65536:
        raise ValueError(f"{text!r} is no port with a path, such as 8000/health")
    return Request(port=int(match[1]), path=match[2] or "/")


def read_command(text: str) -> Request:
    """Read a command with its words; raise ValueError if it is none."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"--smoke {text!r}: {error}") from None
    if not words:
        raise ValueError("--smoke needs a command")
    return Request(command=words)


def ask(
    engine: Engine, before: str, after: str, requests: list[Request], wishes: Wishes,
    known: Sequence[Answer] = (),
) -> tuple[Question, ...]:  # fmt: skip
    """Ask two images the same; `known` are the answers of the first, if it was asked before."""
    first, second = (_Asked(engine, tag, wishes) for tag in (before, after))
    if known or wishes.network == "host":  # there, both would want the same ports
        answers = [known or first.all(requests), second.all(requests)]
    else:
        answers = list(side_by_side(lambda: first.all(requests), lambda: second.all(requests)))
    return tuple(
        Question(str(request), one, other)
        for request, one, other in zip(requests, *answers, strict=True)
    )


@dataclass(frozen=True)
class _Asked:
    """One image that is asked."""

    engine: Engine
    tag: str
    wishes: Wishes

    def all(self, requests: list[Request]) -> list[Answer]:
        """Answer all, those to a running container with one container."""
        apart = {r: self.command(r) for r in requests if r.command and not r.health}
        served = [r for r in requests if r not in apart]
        found = dict(zip(served, self.served(served), strict=True)) if served else {}
        return [apart[r] if r in apart else found[r] for r in requests]

    def served(self, requests: list[Request]) -> list[Answer]:
        """Start the image as it is, and ask; then stop it."""
        options = self.wishes.options
        if self.wishes.network != "none":
            options += [f"--publish=127.0.0.1::{r.port}" for r in requests if r.port]
        try:
            with self._container(options) as name:
                deadline = time.monotonic() + self.wishes.seconds
                found = [self._answer(name, request, deadline) for request in requests]
                uid = _uid(self.engine.state(name))
                stops = self._stops(name)
        except _NotStarted as error:
            return [Answer(None, "", str(error), is_started=False) for _ in requests]
        return [answer._replace(uid=uid, stops=stops) for answer in found]

    @contextmanager
    def _container(self, options: list[str], command: tuple[str, ...] = ()) -> Iterator[str]:
        name = f"dfr-proof-{uuid4().hex[:12]}"
        try:
            try:
                self.engine.start(name, self.tag, options, command)
            except EngineError as error:
                self.engine.check()  # raises if the engine itself is gone
                raise _NotStarted(str(error)) from None
            yield name
        finally:
            self.engine.remove_container(name)

    def command(self, request: Request) -> Answer:
        """Run a command in place of CMD, as `docker run IMAGE COMMAND` does."""
        try:
            with self._container(self.wishes.options, request.command) as name:
                state = self._ended(name, self.wishes.seconds)
                text = self.engine.output(name)
                if state["Running"]:
                    return Answer(None, "", f"not over after {self.wishes.seconds:.0f} s")
                return _ended_with(state, text)
        except _NotStarted as error:
            return Answer(None, "", str(error), is_started=False)

    def _ended(self, name: str, seconds: float) -> dict[str, Any]:
        """Wait for a container's end; return its state then, or when the time is up."""
        deadline = time.monotonic() + seconds
        while True:
            state: dict[str, Any] = self.engine.state(name)["State"]
            if not state["Running"] or time.monotonic() > deadline:
                return state
            time.sleep(POLL)

    def _answer(self, name: str, request: Request, deadline: float) -> Answer:
        if not request.port and not request.health:
            return self._lasting(name)
        while True:
            state = self.engine.state(name)
            if not state["State"]["Running"]:
                text = self.engine.output(name)
                said = _complaint(state["State"], text) or "exit status 0"
                return Answer(state["State"]["ExitCode"], "", f"it ended: {said}")
            answer = self._once(name, state, request)
            early = answer.error or (request.port and answer.status in _NOT_YET)
            if not early or time.monotonic() > deadline:
                return answer
            time.sleep(POLL)

    def _once(self, name: str, state: dict[str, Any], request: Request) -> Answer:
        if request.port:
            if self.wishes.network == "none":
                self._check_way_in(state)
            return _get(state, request, self.wishes.network)
        ended = self.engine.execute(name, request.command, 30)
        error = "" if ended.code == 0 else f"exit status {ended.code}: {ended.text.strip()[-200:]}"
        return Answer(ended.code, "", error)

    def _check_way_in(self, state: dict[str, Any]) -> None:
        """Raise EngineError if a container's network cannot be entered from here."""
        pid = state["State"]["Pid"]
        try:
            other = self.engine.is_local and (
                os.stat(f"/proc/{pid}/ns/net").st_ino != os.stat("/proc/self/ns/net").st_ino
            )
        except FileNotFoundError:
            return  # it has just ended, which is seen next
        except OSError:
            other = False
        if not other or shutil.which("nsenter") is None:
            raise EngineError(
                "a container's own network cannot be entered from here: run it as root on the "
                "engine's machine, ask with --smoke-network bridge, or use --no-smoke"
            )

    def _lasting(self, name: str) -> Answer:
        """Say whether a container goes on, or how it ends."""
        state = self._ended(name, self.wishes.steady)
        if state["Running"]:
            return Answer(None, "goes on")
        text = self.engine.output(name)
        return _ended_with(state, text)

    def _stops(self, name: str) -> float | None:
        """Stop a container; return the seconds that it takes, None if it has to be killed."""
        if not self.engine.state(name)["State"]["Running"]:
            return None
        seconds = self.engine.stop(name, self.wishes.grace)
        code = self.engine.state(name)["State"]["ExitCode"]
        return None if code == KILLED else round(seconds, 1)


def _ended_with(state: dict[str, Any], text: str) -> Answer:
    """Return the answer of a container that ended."""
    complaint = _complaint(state, text)
    return Answer(int(state["ExitCode"]), class_of(text), complaint, text=text[:MAX_TEXT])


def _complaint(state: dict[str, Any], text: str) -> str:
    """Return why a container ended, if it did not do so well."""
    if state["ExitCode"] == 0:
        return ""
    said = text.strip()[-300:] or state.get("Error", "")
    return f"exit status {state['ExitCode']}: {said}"


def _uid(state: dict[str, Any]) -> int | None:
    """Return the user of a container's first process, where this machine can see it."""
    try:
        with open(f"/proc/{int(state['State']['Pid'])}/status", encoding="ascii") as stream:
            line = next(line for line in stream if line.startswith("Uid:"))
    except (OSError, StopIteration, KeyError, ValueError):
        return None
    return int(line.split()[1])


def _get(state: dict[str, Any], request: Request, network: str) -> Answer:
    """Ask a container's port: from inside its network, or where it is published."""
    port, enter = request.port, []
    if network == "none":
        enter = ["nsenter", "--target", str(state["State"]["Pid"]), "--net"]
        if os.geteuid() != 0:  # a container of this user's own
            enter += ["--user", "--preserve-credentials"]
    else:
        bound = (state["NetworkSettings"]["Ports"] or {}).get(f"{port}/tcp") or []
        if not bound:
            return Answer(None, "", f"port {port} is not published")
        port = int(bound[0]["HostPort"])
    command = [*enter, sys.executable, "-I", "-c", _PROBE, str(port), request.path]
    try:
        ended = subprocess.run(command, capture_output=True, timeout=30, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Answer(None, "", str(error))
    if ended.returncode != 0:
        lines = ended.stderr.decode("utf-8", "replace").strip().splitlines() or ["no answer"]
        if lines[-1].startswith("nsenter:") and "No such" not in lines[-1]:
            raise EngineError(f"{lines[-1]}: run it as root, or ask with --smoke-network bridge")
        return Answer(None, "", lines[-1][:300])
    status, content_type, body = json.loads(ended.stdout)
    return Answer(int(status), class_of(body, str(content_type)), text=body[:MAX_TEXT])


def class_of(text: str, content_type: str = "") -> str:
    """Return what kind of text an answer is; what it says may well differ from run to run."""
    stripped = text.strip()
    if not stripped:
        return "empty"
    try:
        value = json.loads(stripped)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return "json object"
    if isinstance(value, list):
        return "json list"
    if re.match(r"(?i)<!doctype html|<html", stripped):
        return "html"
    return content_type or "text"
