"""Settings by which compose services and Kubernetes containers of an image get less.

Both the transforms that write them and the verifier ask here. None is ever safe: a YAML file lies
outside the model of a build, so each says what it assumes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from refactor.effects.events import Build
from refactor.effects.privileges import (
    Capabilities,
    Container,
    Stop,
    capabilities,
    first_process,
    is_ended,
    stop_signal,
    writes,
)
from refactor.effects.stages import Surroundings
from refactor.effects.users import ROOT, named
from refactor.facts.invocations import Invocations
from refactor.facts.stages import Graph
from refactor.outside.container_places import Place, place, privileged
from refactor.outside.records import Use
from refactor.outside.yaml_items import Item
from refactor.outside.yaml_tree import Unclear, Value, said, written
from refactor.source import Edit, Unreadable

if TYPE_CHECKING:
    from refactor.facts.applications import Application
    from refactor.sent import Sent

_SECCOMP = "it makes no system call that the default profile of the container runtime forbids"
_FIRST = "what it starts works behind an init, and needs not be process 1 itself"
_SAME = "the image that runs there is the one that this Dockerfile builds"


@dataclass(frozen=True)
class _Own:
    """What stands around a Dockerfile, of whose uses only one container's are told."""

    whole: Surroundings
    invocations: Invocations

    @property
    def files(self) -> Mapping[str, str]:
        """The texts of other files that changes wrote."""
        return self.whole.files

    @property
    def sent(self) -> Sent | None:
        """The build context's files."""
        return self.whole.sent

    @property
    def application(self) -> Application | None:
        """What the sources say of the application."""
        return self.whole.application

    def read(self, path: str) -> str | None:
        """Return the text of a file of the repository; None if there is none."""
        return self.whole.read(path)


@dataclass(frozen=True)
class Setting:
    """What is written for one container, and what that assumes; `edit` writes it."""

    path: str
    label: str
    at: str
    fields: tuple[tuple[str, Value], ...]
    edit: Edit
    assumes: tuple[str, ...]
    risky: bool
    why: str

    @property
    def footprint(self) -> frozenset[str]:
        """What a claim says of it."""
        lines = (f"+ {self.at}{key}: {said(value)}" for key, value in self.fields)
        return frozenset({f"in {self.path}", *lines})


@dataclass(frozen=True)
class _Wish:
    """Fields by the form of the file; a form that has none of it is left out."""

    fields: Mapping[str, Mapping[str, Value]]
    assumes: tuple[str, ...]
    risky: bool
    why: str


Wanted = Callable[[Container, tuple[Use, ...], Place], _Wish | Stop | None]


def settings(
    kind: str, build: Build, graph: Graph, around: Surroundings
) -> Iterator[Setting | Stop]:
    """Yield the settings of a kind that containers of a Dockerfile's images can get."""
    if around.invocations is None:
        return
    uses = around.invocations.uses
    for use in uses:
        if use.group and use.build is None:
            continue  # it adds to a service that another file builds
        parts = tuple(part for part in uses if part.group == use.group) if use.group else (use,)
        own = _Own(around, _said_of(use, parts, around.invocations))
        found = _setting(kind, use, parts, partial(Container, build, graph=graph, around=own))
        if found is not None:
            yield found


def _said_of(use: Use, parts: tuple[Use, ...], known: Invocations) -> Invocations:
    """Return what is said of one container; what is run in any of the image may be run in it."""
    calls = [call for part in parts for call in part.commands]
    return Invocations(
        (*calls, *(call for call in known.commands if call.role == "exec")),
        targets=known.targets if use.build is None else frozenset(use.build.targets),
        mounts=tuple(mount for part in parts for mount in part.mounts),
        ports=tuple(port for part in parts for port in part.ports),
        rights=tuple(right for part in parts for right in part.rights),
    )


def _setting(
    kind: str, use: Use, parts: tuple[Use, ...], container: Callable[..., Container]
) -> Setting | Stop | None:
    made = container(index=0)
    try:
        places = [found for part in parts if (found := place(part, made.around.read)) is not None]
        own = next((found for found in places if found.path == use.path), None)
        if own is None:
            return None
        for found in places:
            if given := privileged(found):
                return Stop("Y102", f"{found.label}: with {given} it may get more than others", "")
        index = _stage(use, made)
        if isinstance(index, Stop):
            return index
        users = {user.value for part in parts for user in part.users}
        if len(users) > 1:
            return Stop("Y104", f"{own.label}: several users are set", "set one user")
        wish = _KINDS[kind](container(index=index, user="".join(users)), parts, own)
        if wish is None or isinstance(wish, Stop):
            return wish and wish._replace(reason=f"{own.label}: {wish.reason}")
        return _written(own, places, wish)
    except (Unclear, Unreadable) as error:
        return Stop("Y101", f"{use.path}: {error}", "write it by hand")


def _stage(use: Use, container: Container) -> int | Stop:
    """Return the stage that a use runs."""
    stages, known = container.graph.stages, container.around.invocations
    targets = known.targets if known is not None else frozenset()
    if not targets:
        return len(stages) - 1
    names = [stage.index for stage in stages if stage.name in targets]
    if len(names) != 1 or len(targets) != 1:
        return Stop("Y104", f"{use.path}:{use.line}: which stage it runs is not known", "")
    return names[0]


def _written(own: Place, places: list[Place], wish: _Wish) -> Setting | Stop | None:
    fields = wish.fields.get(own.form)
    target = own
    if fields is None:
        return None
    if own.form == "kubernetes":
        target = own.inside("securityContext") or own
        if target is own:
            fields = {"securityContext": fields}
    for found in (target, *places):
        for key in fields:
            there = found.own.get(key)
            if there and _is_done(there, fields[key]):
                return None
            if there:
                return Stop("Y103", f"{found.label}: {key} is written already, in another way",
                            "write it by hand")  # fmt: skip
    edit = written(target.text, target.chain, target.at, fields)
    return Setting(own.path, own.label, target.at, tuple(fields.items()), edit, wish.assumes,
                   wish.risky, wish.why)  # fmt: skip


def _is_done(there: Item, wanted: Value) -> bool:
    """Whether a field says already what would be written; of a map the first field counts."""
    if isinstance(wanted, Mapping):
        key, value = next(iter(wanted.items()))
        return _is_done(there.get(key), value)
    words = [text.lower().replace(" ", "") for text in there.texts()]
    if isinstance(wanted, tuple):
        first = wanted[0].lower()
        return first in words or first.replace(":true", "") in words
    return words == [said(wanted).lower()]


def _capabilities(container: Container, parts: tuple[Use, ...], own: Place) -> _Wish | Stop:
    found = capabilities(container)
    if isinstance(found, Stop):
        return found
    compose: dict[str, Value] = {"cap_drop": ("ALL",)}
    inner: dict[str, Value] = {"drop": ("ALL",)}
    if found.kept:
        compose["cap_add"], inner["add"] = found.kept, found.kept
    fields: dict[str, dict[str, Value]] = {
        "compose": compose,
        "kubernetes": {"capabilities": inner},
    }
    return _Wish(fields, _assumed(found, own), found.risky, found.why)


def _assumed(found: Capabilities, own: Place) -> tuple[str, ...]:
    return (*found.assumes, _SAME) if own.form == "kubernetes" else found.assumes


def _privileges(container: Container, parts: tuple[Use, ...], own: Place) -> _Wish | Stop:
    found = capabilities(container)
    if isinstance(found, Stop):
        return found
    fields: dict[str, dict[str, Value]] = {
        "compose": {"security_opt": ("no-new-privileges:true",)},
        "kubernetes": {"allowPrivilegeEscalation": False},
    }
    return _Wish(fields, _assumed(found, own), found.risky, found.why)


def _read_only(container: Container, parts: tuple[Use, ...], own: Place) -> _Wish | Stop:
    found = writes(container)
    if isinstance(found, Stop):
        return found
    mounted = [mount.target for part in parts for mount in part.mounts if not mount.read_only]
    for folder, where in found.folders:
        if not any(f"{folder}/".startswith(f"{target.rstrip('/')}/") for target in mounted):
            return Stop("Y106", f"{where} writes to {folder}", f"mount a volume at {folder}")
    fields: dict[str, dict[str, Value]] = {
        "compose": {"read_only": True, "tmpfs": ("/tmp",)},
        "kubernetes": {"readOnlyRootFilesystem": True},
    }
    if "/tmp" in mounted:
        del fields["compose"]["tmpfs"]
    elif own.form == "kubernetes":
        return Stop("Y106", "nothing is mounted at /tmp", "mount an emptyDir at /tmp")
    return _Wish(fields, found.assumes, True, "all that it writes is below /tmp or in volumes")


def _init(container: Container, parts: tuple[Use, ...], own: Place) -> _Wish | Stop | None:
    calls = [call for part in parts for call in part.commands]
    if own.form != "compose" or any(call.role == "entrypoint" for call in calls):
        return None
    command = next((call.argv for call in calls if call.role == "command"), ())
    version = _version(own)
    if (2,) <= version < (2, 2) or (3,) <= version < (3, 7):
        return Stop("Y101", "its version of the compose format has no init", "leave out version")
    found = first_process(container, command)
    if isinstance(found, Stop):
        return found
    signal = stop_signal(container, "".join(own.own.get("stop_signal").texts()))
    fails = f"neither reaps what it did not start nor ends at {signal}"
    if is_ended(found, signal):
        fails = "does not reap what it did not start"
    why = f"{found} is process 1, and {fails}"
    return _Wish({"compose": {"init": True}}, (_FIRST,), False, why) if found else None


def _version(own: Place) -> tuple[int, ...]:
    """Return the version of the format that a compose file names; nothing if it names none."""
    node = own.chain[0].get("version")
    parts = node.value.split(".") if node is not None else []
    return tuple(int(part) for part in parts if part.isdecimal())


def _non_root(container: Container, parts: tuple[Use, ...], own: Place) -> _Wish | Stop | None:
    if own.form != "kubernetes" or own.pod.get("securityContext", "runAsNonRoot"):
        return None
    user = named(container.runs_as)
    if not user or user in ROOT:
        return Stop("Y105", "it starts as root, or as whom is not known",
                    "let it run as another user: run-as-user")  # fmt: skip
    if not user.isdecimal():
        return Stop("Y107", f"the kubelet cannot tell whether user {user} is root",
                    "write USER with a number")  # fmt: skip
    return _Wish({"kubernetes": {"runAsNonRoot": True}}, (_SAME,), False, f"it runs as user {user}")


def _seccomp(container: Container, parts: tuple[Use, ...], own: Place) -> _Wish | Stop | None:
    if own.form != "kubernetes" or own.pod.get("securityContext", "seccompProfile"):
        return None
    version = own.chain[0].get("apiVersion")
    if version is None or "beta" in version.value:
        return Stop(
            "Y101", "its version of the format is older than the setting", "write it by hand"
        )
    fields: dict[str, dict[str, Value]] = {
        "kubernetes": {"seccompProfile": {"type": "RuntimeDefault"}}
    }
    return _Wish(fields, (_SECCOMP,), False, "Kubernetes filters no system calls by itself")


_KINDS: Mapping[str, Wanted] = {
    "capabilities": _capabilities,
    "privileges": _privileges,
    "read-only": _read_only,
    "init": _init,
    "non-root": _non_root,
    "seccomp": _seccomp,
}
KINDS = tuple(_KINDS)
