"""What a container needs of its host's kernel and of its file system, besides a user.

A process that is not root has no capabilities at all: to drop them takes something only from
programs that gain rights when they are started, by a set-user-ID bit or a file capability. A
process that is root needs some, and which is known of few images only.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import NamedTuple

from refactor.effects.containers import lineage, needs
from refactor.effects.events import Build, Copy, Stage, flat
from refactor.effects.needs import HOME, Needs
from refactor.effects.stages import Surroundings
from refactor.effects.started import started
from refactor.effects.users import FROM_BASE, ROOT, named
from refactor.facts import signals
from refactor.facts.images import Family, Image, image
from refactor.facts.stages import Graph
from refactor.facts.users import default_user, needs_root
from refactor.knowledge import fits, table
from refactor.words import Value

# Packages whose programs gain rights, and browsers, whose sandbox does.
_GAINS = re.compile(
    r"(?<![\w./-])(?:sudo|doas|iputils(?:-ping|-arping)?|inetutils-ping|fping|mtr(?:-tiny)?|arping|"
    r"traceroute|tcpdump|nmap|wireshark|bubblewrap|fuse3?|sshfs|libcap2-bin|libcap|setcap|"
    r"chromium[\w-]*|google-chrome[\w-]*|playwright|puppeteer)(?![\w/])"
)
_PROGRAMS = frozenset("sudo su doas ping ping6 fping traceroute mtr tcpdump".split())
_FILE = re.compile(r"\b(?:setcap|libcap2-bin)\b")
_SET_ID = re.compile(r"\bchmod\s+(?:-\S+\s+)*(?:[ug]*\+[rwx]*s|[2467]\d{3})\b")
_INITS = frozenset("tini dumb-init catatonit init s6-svscan my_init systemd supervisord".split())
# Programs that, as process 1, do not end at SIGTERM by themselves.
_DEAF = re.compile(
    r"(?:python|pypy|ruby|perl|php)[\d.]*\Z|(?:node|nodejs|nodemon|npm|npx|yarn|pnpm|ts-node|tsx|ng|"
    r"flask|rails|bundle|sh|ash|dash|bash)\Z|.*\.(?:sh|py|rb|js|pl)\Z"
)
_SPARES = frozenset("SIGKILL SIGCHLD SIGCLD SIGCONT SIGURG SIGWINCH".split())
# Programs whose writes no source of an application tells.
_WHY = {
    "java": "loads native code of its libraries from /tmp, where a tmpfs forbids it",
    "php": "keeps sessions, uploads and pid files where its configuration says",
}
_ELSEWHERE = re.compile("|".join(_WHY))
# What a process that is not root cannot do anyway takes nothing from it when it is dropped.
_OF_FILES = frozenset({"U304", "U305", "U308"})
GAINS = (
    "nothing that runs in it gains rights by a set-user-ID bit or a file capability, as sudo, su "
    "and ping do"
)
_STILL = (
    "no library and no program that it starts writes anywhere but below /tmp and in volumes",
    "nothing is run or loaded from /tmp, and what is written there fits into memory",
)


class Stop(NamedTuple):
    """Why a setting is not written, and what would change that."""

    code: str
    reason: str
    unlock: str


@dataclass(frozen=True)
class Container:
    """A container of a stage's image, and what is known; `user` is what its service sets."""

    build: Build
    index: int
    graph: Graph
    around: Surroundings
    user: str = ""

    @property
    def base(self) -> Image:
        """The image that the stage starts from."""
        return self.graph.stages[self.index].image

    @property
    def runs_as(self) -> str:
        """The user that its containers run as, as in USER; empty if that is not known."""
        value = dict(self.build.stages[self.index].config)["user"]
        assert isinstance(value, Value)
        if self.user:
            return "" if "$" in self.user else self.user
        if value.raw == FROM_BASE:
            return default_user(self.base)
        return "" if value.raw else value.text


class Capabilities(NamedTuple):
    """The capabilities that stay; `risky` if more is assumed than a look at the sources tells."""

    kept: tuple[str, ...]
    assumes: tuple[str, ...]
    risky: bool
    why: str


def capabilities(container: Container) -> Capabilities | Stop:
    """Return which capabilities a container needs."""
    base, user = container.base, container.runs_as
    if base.family is Family.WINDOWS:
        return Stop("Y105", "Windows has no capabilities", "")
    if not user or not (base.known or base.family is Family.SCRATCH):
        name = base.reference or "the base image"
        return Stop("Y104", f"what {name} starts, and as whom, is not known",
                    "name a public image, or an alias for one")  # fmt: skip
    if stop := _gains(container) or _hooked(container):
        return stop
    if user in ROOT or named(user) in ROOT:
        return _of_root(container)
    found = _needs(container)
    for code, reason, unlock in found.stops:
        if code not in _OF_FILES:
            return Stop("Y105", reason, unlock)
    if _is_system(base):
        return Stop("Y105", f"{base.name} needs root: {needs_root(base)}", "")
    low = any(stop.code == "U304" for stop in found.stops)
    kept = ("NET_BIND_SERVICE",) if low else ()
    return Capabilities(kept, (GAINS,), False, f"it runs as user {named(user)}")


def _is_system(base: Image) -> bool:
    reason = needs_root(base)
    return bool(reason) and not reason.startswith("port")


def _gains(container: Container) -> Stop | None:
    """Look for what gains rights when it is started.

    A copy keeps a file's capability, so all stages count. Without that capability the program does
    not start at all.
    """
    events = [event for stage in container.build.stages for event in flat(stage.events)]
    origins = [e.origin for e in events if isinstance(e, Copy)]
    copied = [image(origin, {}) for origin in origins if isinstance(origin, str)]
    for origin in (*(stage.image for stage in container.graph.stages), *copied):
        row = _row(origin)
        if row is not None and row["capabilities"] == "-":
            return Stop("Y105", f"{origin.name}: {row['assumes']}", "")
    own = [e for s in lineage(container.build, container.index) for e in flat(s.events)]
    for event in events:
        match = _FILE.search(event.text)
        if match is None and event in own:
            match = _GAINS.search(event.text) or _SET_ID.search(event.text)
        if match:
            return Stop("Y105", f"`{event.text[:70]}`: {match[0]} gains rights when it is "
                            "started", "do without it in the image that runs")  # fmt: skip
    application = container.around.application
    for item in application.programs if application is not None else ():
        if item.path.endswith((".sh", ".bash")):
            continue  # these are read where they are started
        if item.value.rpartition("/")[2] in _PROGRAMS:
            return Stop("Y105", f"{item.path}:{item.line} runs {item.value}, which gains rights "
                        "when it is started", "do without it")  # fmt: skip
    return None


def _hooked(container: Container) -> Stop | None:
    """Look for a hook of compose, which may run as root where the service does not."""
    calls = container.around.invocations.commands if container.around.invocations else ()
    for call in calls:
        if call.kind == "compose" and call.role == "hook":
            return Stop("Y105", f"{call.path}:{call.line}: a hook may need root's rights", "")
    return None


def _row(base: Image) -> dict[str, str] | None:
    return next((row for row in table("capabilities") if fits(base.name, row["image"])), None)


def _of_root(container: Container) -> Capabilities | Stop:
    """Return what a known image keeps that starts as root, if nothing but that is started."""
    base = container.base
    row = _row(base)
    if row is None:
        return Stop("Y105", "it starts as root, and which of root's rights it uses is not known",
                    "let it run as another user: run-as-user")  # fmt: skip
    stage = container.build.stages[container.index]
    own = [key for key in ("entrypoint", "cmd") if dict(stage.config).get(key)]
    calls = container.around.invocations.commands if container.around.invocations else ()
    roles = [f"{c.path}:{c.line}" for c in calls if c.role in ("entrypoint", "command")]
    if own or roles:
        where = roles[0] if roles else own[0].upper()
        return Stop("Y105", f"{where}: it starts as root what {base.name} does not start itself",
                    "start what the base image starts")  # fmt: skip
    kept = tuple(row["capabilities"].split())
    return Capabilities(kept, (GAINS, row["assumes"]), True, f"{base.name} needs no more as root")


def _needs(container: Container) -> Needs:
    user = named(container.runs_as)
    return needs(container.build, container.index, container.base, container.around, user)


class Writes(NamedTuple):
    """Folders that are written and must be mounted, and what is assumed."""

    folders: tuple[tuple[str, str], ...]
    assumes: tuple[str, ...]


def writes(container: Container) -> Writes | Stop:
    """Return what a container writes besides /tmp, if all of that is known."""
    user = container.runs_as
    if not user or user in ROOT or named(user) in ROOT:
        return Stop("Y106", "it starts as root, which may write everywhere",
                    "let it run as another user: run-as-user")  # fmt: skip
    if container.around.sent is None or not container.around.sent.complete:
        return Stop("Y106", "what it writes is not known without the build context",
                    "run where the build context is")  # fmt: skip
    stage = container.build.stages[container.index]
    for item in started(stage, container.base, None, container.around):
        if match := _ELSEWHERE.match(item.name):
            return Stop("Y106", f"{match[0]} {_WHY[match[0]]}", "")
    found = _needs(container)
    for code, reason, unlock in found.stops:
        if code != "U304":
            return Stop("Y106", reason, unlock)
    unknown = next((text for text in found.assumes if "writes below" in text), "")
    if unknown or found.unclear:
        return Stop("Y106", f"where it writes is not known: {unknown or 'it is unclear'}", "")
    if HOME in found.folders:
        return Stop("Y106", f"{found.folders[HOME]} writes to its home", "set HOME to a volume")
    return Writes(tuple(sorted(found.folders.items())), _STILL)


def first_process(container: Container, command: tuple[str, ...]) -> str | Stop:
    """Return the program that is process 1 and is none to be; empty if it does well.

    `command` is what a service starts instead of the image's own.
    """
    if _is_system(container.base):
        return Stop("Y105", f"{container.base.name} starts {needs_root(container.base)}", "")
    stage = container.build.stages[container.index]
    words = [*_words(stage, "entrypoint"), *(command or _words(stage, "cmd"))]
    if not words:
        return Stop("Y104", "what it starts first is the base image's, and not known",
                    "write CMD")  # fmt: skip
    names = [posixpath.basename(word) for word in words]
    if any(name in _INITS or name.startswith("s6-") for name in names):
        return ""
    return names[0] if _DEAF.match(names[0]) else ""


def stop_signal(container: Container, own: str) -> str:
    """Return what `docker stop` sends: what the service says (`own`), or the image, or SIGTERM."""
    value = dict(container.build.stages[container.index].config).get("stopsignal")
    text = own or (value.text if isinstance(value, Value) else "")
    return signals.name(text) or text or "SIGTERM"


def is_ended(program: str, signal: str) -> bool:
    """Whether a signal does with a program as process 1 what it does with it behind an init.

    The kernel spares process 1 only what a signal does by default (pid_namespaces(7)), and SIGKILL
    from outside not even that; by default these others end nothing (signal(7)). Python handles
    SIGINT itself (its page on `signal`).
    """
    python = re.match(r"(?:python|pypy)[\d.]*\Z|.*\.py\Z", program)
    return signal in _SPARES or bool(python and signal == "SIGINT")


def _words(stage: Stage, key: str) -> tuple[str, ...]:
    value = dict(stage.config).get(key)
    if not isinstance(value, tuple) or not value[1]:
        return ()
    return ("sh", *value[1].split()) if isinstance(value[1], str) else tuple(value[1])
