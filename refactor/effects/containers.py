"""What the containers of an image need of the user that they run as."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from refactor.effects.events import Build, Copy, Exec, Stage, flat
from refactor.effects.needs import ROOT_HOME, Needs
from refactor.effects.processes import Processes
from refactor.effects.stages import Surroundings
from refactor.effects.started import directory, image_files, started
from refactor.facts import programs
from refactor.facts.images import Image
from refactor.facts.packages import argv_operation, only_cleans
from refactor.words import Value

# Variables that say on which port an application listens.
_PORTS = frozenset(
    "PORT SERVER_PORT HTTP_PORT APP_PORT LISTEN_PORT ASPNETCORE_URLS ASPNETCORE_HTTP_PORTS "
    "DOTNET_URLS GUNICORN_CMD_ARGS UVICORN_PORT FLASK_RUN_PORT STREAMLIT_SERVER_PORT".split()
)
_NO_ENVIRONMENT = re.compile(r"virtualenvs\.(?:create false|in-project true)")
# Folders that a volume keeps a mount of the sources away from: nothing is stored there.
_INSTALLED = frozenset({"node_modules", "vendor", ".venv", "venv", "bower_components", "target"})
_CLOSED_FOLDER = re.compile(r"/(?:root|etc/ssl/private)(?:/|\Z)|~")
_CLONE = re.compile(r"\b(?:git clone|svn (?:co|checkout)|hg clone)\b")
_DROPPER = re.compile(r"\b(?:gosu|su-exec|setuidgid)\b")
_SECRET = re.compile(r"/root|~|/etc/|/var/spool|/run|\$")
_SOCKET = "/docker.sock"
FROM_GIT = (
    "all may read the files of the build context: git keeps no other permissions, and files that "
    "are not in git have no others"
)


def needs(build: Build, index: int, image: Image, around: Surroundings, user: str) -> Needs:
    """Return what the containers of a stage's image need of a user, who is named as in USER."""
    stage = build.stages[index]
    env = environment(stage)
    home = env.get("HOME")
    found = Needs(user, directory(stage), home.text if home and not home.raw else "")
    placed = image_files(build, index, around.sent) if around.sent else None
    run = started(stage, image, placed, around)
    if placed is not None and placed.files:
        found.assume(FROM_GIT)
    Processes(found, run, env, placed, around.application, _folders(build, index)).look()
    for event in (e for s in build.stages[: index + 1] for e in flat(s.events)):
        if _CLONE.search(event.text):
            found.stop("U308", f"`{event.text[:70]}`: what is fetched may write anywhere",
                       "copy it from the build context")  # fmt: skip
    _configured(found, stage)
    for ancestor in lineage(build, index):
        _built(found, ancestor, {item.name for item in run})
    _used(found, stage, around)
    _declared(found, stage, around)
    if not found.listens:
        found.assume("it listens on no port below 1024")
    if found.volumes:
        found.assume(
            f"volumes that exist already are given to user {user}, once: docker run --rm -v "
            f"VOLUME:/v alpine chown -R {user} /v (in Kubernetes fsGroup does it)"
        )
    return found


def environment(stage: Stage) -> dict[str, Value]:
    """Return the variables of a stage's image."""
    found = dict(stage.config)["env"]
    assert isinstance(found, tuple)
    return dict(found)


def _folders(build: Build, index: int) -> frozenset[str]:
    """Return paths of a stage that its build makes folders of, or that are volumes."""
    volumes = dict(build.stages[index].config)["volumes"]
    assert isinstance(volumes, frozenset)
    made = [event.argv[1:] for stage in lineage(build, index) for event in flat(stage.events)
            if isinstance(event, Exec) and event.argv[:1] == ("mkdir",)]  # fmt: skip
    return frozenset(
        map(posixpath.normpath, (*volumes, *(path for words in made for path in words)))
    )


def lineage(build: Build, index: int) -> Iterator[Stage]:
    """Yield a stage, and those that it starts from."""
    stage = build.stages[index]
    yield stage
    while isinstance(stage.base, int):
        stage = build.stages[stage.base]
        yield stage


def _configured(found: Needs, stage: Stage) -> None:
    """Look at what the image is configured with."""
    for name, value in environment(stage).items():
        if ROOT_HOME.search(value.text):
            found.stop("U305", f"ENV {name} names a folder below /root, which only root can read",
                       "put it somewhere else")  # fmt: skip
    if re.match(r"/root(?:/|\Z)", found.directory):
        found.stop("U305", "WORKDIR is below /root, which only root can enter",
                   "choose another WORKDIR")  # fmt: skip
    volumes = dict(stage.config)["volumes"]
    assert isinstance(volumes, frozenset)
    for path in sorted(volumes):
        found.mount(path, "VOLUME")


def _built(found: Needs, stage: Stage, run: set[str]) -> None:
    """Look at what the build leaves behind that only root can read."""
    env = dict.fromkeys(environment(stage))
    if any(_NO_ENVIRONMENT.search(event.text) for event in stage.events):
        env["POETRY_VIRTUALENVS_CREATE"] = None
    for event in flat(stage.events):
        text = event.text
        if match := _DROPPER.search(text):
            found.stop("U301", f"it has {match[0]}, to change to another user itself")
        if isinstance(event, Copy):
            _copied(found, event, stage)
        elif leaves := programs.left_in_home(text, env, run):
            found.stop("U305", f"`{text[:70]}` leaves {leaves}, which only root can read",
                       "install to a folder outside /root")  # fmt: skip
        elif "setcap" in text and re.search(r"\bsetcap\b", text):
            found.stop("U303", f"`{text[:70]}` gives a program capabilities")
        elif isinstance(event, Exec):
            _ran(found, event, run)


def _copied(found: Needs, event: Copy, stage: Stage) -> None:
    """Look at one copy of the build."""
    mode = dict(event.flags).get("chmod") or ""
    if _CLOSED_FOLDER.match(event.destination.text):
        found.stop("U305", f"`{event.text[:70]}` copies to a folder that only root can read",
                   "copy to another folder")  # fmt: skip
    if _is_closed(mode):
        found.stop("U305", f"`{event.text[:70]}` with its mode lets no other user read it",
                   "let others read it")  # fmt: skip
    for source in event.sources if event.keyword == "ADD" and not mode else ():
        name = source.text.rpartition("/")[2]
        if "://" in source.text and not any(name in e.text for e in stage.events if e != event):
            found.stop("U305", f"`{event.text[:70]}`: what is fetched can be read by root alone",
                       "write ADD --chmod=644")  # fmt: skip
    if event.origin is None and not event.inline:
        found.assume(FROM_GIT)


def _ran(found: Needs, event: Exec, run: set[str]) -> None:
    argv = event.argv
    if argv[:1] == ("chmod",) and len(argv) > 2:
        mode, *paths = [word for word in argv[1:] if not re.match(r"-\w|--", word)]
        started = any(posixpath.basename(path) in run for path in paths)
        if _is_closed(mode, started) and not all(map(_SECRET.match, paths)):
            what = "run" if started else "read"
            found.stop("U305", f"`{event.text[:70]}` lets no other user {what} it",
                       "let others read it")  # fmt: skip
        return
    if argv_operation(argv) is not None or only_cleans(argv) or argv[:1] in (("rm",), ("rmdir",)):
        return
    if any(ROOT_HOME.search(word) for word in (*argv, *event.redirects)):
        found.assume(f"nothing that runs needs what `{event.text[:70]}` does in the home of root")


def _is_closed(mode: str, started: bool = False) -> bool:
    """Whether a mode keeps others from reading a file, or from running it if that is started."""
    if re.fullmatch(r"[0-7]{3,4}", mode):
        wanted = 5 if started else 4
        return int(mode[-1]) & wanted != wanted
    return started and re.fullmatch(r"[ug]+\+[rwx]*x[rwx]*", mode) is not None


def _used(found: Needs, stage: Stage, around: Surroundings) -> None:
    """Look at what is mounted where the image is used."""
    if around.invocations is None:
        return
    if (named := around.invocations.targets) and stage.name not in named:
        return  # what is mounted is mounted on the stages that are asked for
    for right in around.invocations.rights:
        reason = f"{right.path}:{right.line} gives `{right.value}`, of which only root has the use"
        found.stop("U303", reason, "leave it out there, if it is not needed")
    for mount in around.invocations.mounts:
        where = f"{mount.path}:{mount.line}"
        if mount.source.endswith(_SOCKET) or mount.target.endswith(_SOCKET):
            found.stop(
                "U303", f"{where} mounts the socket of the container engine, which is root's"
            )
        elif posixpath.basename(mount.target) in _INSTALLED:
            continue
        elif mount.kind == "sync":
            found.stop("U313", f"{where} writes sources into the container, as its user",
                       "start the image that is made for that as root")  # fmt: skip
        elif mount.kind == "volume" and not mount.read_only:
            found.mount(mount.target, where)
        elif mount.kind == "bind":
            found.assume(
                f"{where}: user {found.user} may read what is mounted at {mount.target}, and write "
                "what the application writes there"
            )


def _declared(found: Needs, stage: Stage, around: Surroundings) -> None:
    """Look at the ports that are declared."""
    declared = dict(stage.config)["ports"]
    assert isinstance(declared, frozenset)
    numbers: list[tuple[str, str]] = []
    for text in sorted(declared):
        default = re.search(r"=ARG \w+=(\d+)", text)
        numbers.append((default[1] if default else text, "EXPOSE"))
    for port in around.invocations.ports if around.invocations else ():
        numbers.append((port.value, f"{port.path}:{port.line}"))
    for name, value in environment(stage).items():
        if name in _PORTS and (match := re.search(r"(?:\A|[:=])(\d+)\Z", value.text)):
            numbers.append((match[1], f"ENV {name}"))
    for text, where in numbers:
        if match := re.match(r"\d{1,5}(?=[-/]|\Z)", text):
            found.listen(int(match[0]), where)
