"""What the process of a container needs of its user: to write, to listen, or to be root."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from refactor.effects.events import Build, Copy, Exec, Stage, flat
from refactor.effects.placed import Placed
from refactor.effects.started import Started, directory, image_files, started
from refactor.facts import programs
from refactor.facts.evidence import PATH, PROGRAM
from refactor.facts.images import Image
from refactor.facts.packages import argv_operation, only_cleans
from refactor.words import Value

if TYPE_CHECKING:
    from refactor.effects.stages import Surroundings
    from refactor.facts.applications import Application

# Everybody may write there, or nobody does.
_FREE = re.compile(r"/(?:tmp|var/tmp|dev|proc|sys)(?:/|\Z)")
# Folders of the system: an image's own files are in them, and stay those of root.
_SYSTEM = re.compile(
    r"/(?:(?:bin|boot|etc|lib\w*|root|sbin|usr(?!/src/.|/share/.+/|/local/(?!bin|lib|sbin|etc)[^/]+))(?:/.*)?"
    r"|(?:home|mnt|media|opt|run|srv|var|usr/src)(?:/(?:lib|log|cache|run|spool|www|local|opt))?)?\Z"
)
_ROOT_HOME = re.compile(r"(?<![\w/.-])(?:/root|~root)(?![\w.-])|(?<![\w/.\\-])~/|\$\{?HOME\}?/")
_PORTS = frozenset(
    "PORT SERVER_PORT HTTP_PORT APP_PORT LISTEN_PORT ASPNETCORE_URLS ASPNETCORE_HTTP_PORTS "
    "DOTNET_URLS GUNICORN_CMD_ARGS UVICORN_PORT FLASK_RUN_PORT STREAMLIT_SERVER_PORT".split()
)
_NO_ENVIRONMENT = re.compile(r"virtualenvs\.(?:create false|in-project true)")
_SOCKET = "/docker.sock"
_CODES = {"root": "U303", "drops": "U301", "sudo": "U306", "builds": "U308"}
_UNLOCKS = {"root": "do it when the image is built", "builds": "build it when the image is built"}
_COMPILED = frozenset({"go", "rust", "c", "csharp", "java", "kotlin", "scala"})
# Folders that a volume keeps a mount of the sources away from: nothing is stored there.
_INSTALLED = frozenset({"node_modules", "vendor", ".venv", "venv", "bower_components", "target"})
FROM_GIT = "all may read the files of the build context: git keeps no other permissions"


class Stop(NamedTuple):
    """Why a container has to run as root, as far as is known, and what would change that."""

    code: str
    reason: str
    unlock: str


@dataclass
class Needs:
    """`folders` and `files` must be writable: where that shows; `~` stands for the home.

    `assumes` is what nobody can tell; what is `unclear` asks for more than a look at these.
    """

    user: str
    stops: list[Stop] = field(default_factory=list)
    folders: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    assumes: dict[str, None] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    unclear: bool = False
    listens: bool = False

    def stop(self, code: str, reason: str, unlock: str = "") -> None:
        """Note why the user must be root."""
        self.stops.append(Stop(code, reason, unlock))

    def assume(self, text: str, unclear: bool = False) -> None:
        """Note what is assumed."""
        self.assumes[text] = None
        self.unclear = self.unclear or unclear


def needs(build: Build, index: int, image: Image, around: Surroundings, user: str) -> Needs:
    """Return what a stage's containers need of a user, who is named as in USER."""
    stage = build.stages[index]
    found = Needs(user)
    placed = image_files(build, index, around.sent) if around.sent else None
    run = started(stage, image, placed, around)
    _Look(found, stage, placed, around.application).all(run)
    _configuration(found, stage)
    _built(found, build, index, {item.name for item in run})
    _outside(found, stage, around)
    _ports(found, stage, around)
    if not found.listens:
        found.assume("it listens on no port below 1024")
    if found.volumes:
        found.assume(
            f"volumes that exist already are given to user {user}, once: docker run --rm -v "
            f"VOLUME:/v alpine chown -R {user} /v (in Kubernetes fsGroup does it)"
        )
    return found


class _Look:
    """Looks at what is started, and at the application's sources."""

    def __init__(
        self, found: Needs, stage: Stage, placed: Placed | None, application: Application | None
    ) -> None:
        self.needs = found
        self.env = environment(stage)
        self.placed = placed
        self.directory = directory(stage)
        self.application = application
        self.run: list[Started] = []

    def all(self, run: list[Started]) -> None:
        """Look at everything."""
        self.run = run
        for item in run:
            self.command(item)
        if self.application is not None:
            self.sources(self.application)
        if not run:
            self.needs.stop("U308", "nothing says what the image runs", "add a CMD")

    def command(self, item: Started) -> None:
        """Look at one command that is started."""
        for target in item.targets:
            self.written(target, item.where, self.directory)
        if not item.argv:
            return
        if match := _ROOT_HOME.search(item.text):
            self.needs.stop("U305", f"{item.where} names {match[0]}, which only root can read",
                            "put it somewhere else")  # fmt: skip
        for path in programs.written(item.argv):
            self.written(path, item.where, self.directory)
        for port in programs.ports(item.name, item.argv[1:]):
            self.port(port, item.where)
        row = programs.program(item.name, item.argv[1:])
        if row is None:
            if not self.is_script(item):
                self.unknown(item)
            return
        if row.port and not self.needs.listens:
            self.port(int(row.port), item.where)
        text = f"{item.where} runs {item.name}: {row.why}"
        if row.verdict in _CODES:
            self.needs.stop(_CODES[row.verdict], text, _UNLOCKS.get(row.verdict, ""))
        elif row.verdict == "home" and not self.settled():
            self.needs.stop("U305", text, "install without an environment of its own")
        elif row.verdict == "assumes":
            self.needs.assume(f"{item.where}: `{item.text[:60]}` {row.why}", unclear=True)
        for path in row.writes:
            self.place(path if path == "~" else f"{path.rstrip('/')}/", item.where, self.directory)
        if row.language:
            self.language(item, row.language)

    def settled(self) -> bool:
        """Whether the environment of a project is not kept in the home of who installs."""
        return any(name.startswith("POETRY_VIRTUALENVS") for name in self.env)

    def language(self, item: Started, language: str) -> None:
        """Note a program whose sources are not all read: these are what writes."""
        application = self.application
        known = application is not None and application.complete
        wanted = {language} | ({"typescript"} if language == "javascript" else set())
        if language in ("java", "csharp"):
            wanted |= _COMPILED
        if not known or application is None or not wanted & application.languages:
            self.unknown(item)

    def is_script(self, item: Started) -> bool:
        """Whether what is started is a text of the build context, read for itself."""
        if self.placed is None:
            return False
        path = posixpath.normpath(posixpath.join(self.directory or "/", item.argv[0]))
        source = self.placed.files.get(path, "")
        return "/" in item.argv[0] and source.endswith((".sh", ".bash", ".py"))

    def unknown(self, item: Started) -> None:
        """Note a program that no table knows, and whose sources are not those that are read."""
        application = self.application
        own = item.where in ("CMD", "ENTRYPOINT") and programs.program(item.name, ()) is None
        if own and application is not None and application.complete:
            if _COMPILED & application.languages:
                return  # it was built from what is read
        name = item.argv[0] if "$" not in item.argv[0] else item.text[:60]
        self.needs.assume(
            f"{item.where}: {name} needs no root, and writes below /tmp or where user "
            f"{self.needs.user} may write", unclear=True,
        )  # fmt: skip

    def written(self, text: str, where: str, folder: str) -> None:
        """Note a path of a shell's text that is written."""
        default = re.fullmatch(r"\$\{\w+:?-([^{}$]+)\}(.*)", text)
        text = default[1] + default[2] if default else text
        text = re.sub(r"\A\$\{?(\w+)\}?", lambda m: self.value(m[1]) or m[0], text)
        if text.startswith("&") or not text.strip("/"):
            return
        if re.search(r"[$`*?{]", text):
            self.needs.assume(self.computed(where))
            return
        self.place(text, where, folder)

    def value(self, name: str) -> str:
        """Return a variable of the image; empty if it is not known."""
        value = self.env.get(name)
        return value.text if value is not None and not value.raw else ""

    def computed(self, where: str) -> str:
        """Return what is assumed of a path that is computed."""
        return f"{where} writes below /tmp or to a path that user {self.needs.user} may write"

    def place(self, path: str, where: str, folder: str) -> None:
        """Note a path that is written; a folder ends in a slash."""
        if path.startswith("~"):
            self.home(where)
            return
        if not path.startswith("/"):
            if not folder:
                self.needs.stop("U308", f"{where} writes {path}, and the working directory is not "
                                "known", "set WORKDIR")  # fmt: skip
                return
            path = posixpath.join(folder, path)
        is_folder = path.endswith("/")
        path = posixpath.normpath(path)
        if _FREE.match(path):
            return
        parent = path if is_folder else posixpath.dirname(path)
        if _SYSTEM.match(parent):
            self.needs.stop("U305", f"{where} writes {path}, in a folder that belongs to root",
                            "write to a folder of the application's own")  # fmt: skip
            return
        self.needs.folders.setdefault(parent, where)
        if not is_folder:
            self.needs.files.setdefault(path, where)

    def home(self, where: str) -> None:
        """Note that the home is used."""
        own = self.value("HOME")
        if own:
            self.place(f"{own.rstrip('/')}/", where, "")
        else:
            self.needs.folders.setdefault("~", where)

    def port(self, port: int, where: str) -> None:
        """Note a port that is listened on."""
        self.needs.listens = True
        if port < 1024:
            _low(self.needs, port, where)

    def sources(self, application: Application) -> None:
        """Look at what the sources say."""
        for item in application.writes:
            if self.is_there(item.path):
                for path in self.resolved(item.value, item.in_source):
                    self.place(path, f"{item.path}:{item.line}", self.directory)
        for item in application.ports:
            if self.is_there(item.path) and item.value.isdecimal():
                self.port(int(item.value), f"{item.path}:{item.line}")
        for item in application.home:
            where = f"{item.path}:{item.line}"
            if not self.is_there(item.path):
                continue
            if item.value.startswith("/root"):
                self.needs.stop("U305", f"{where} names /root, which only root can read", "")
            else:
                self.home(where)
        for item in application.programs:
            row = programs.program(item.value.rpartition("/")[2], ())
            if row and row.verdict in ("root", "drops", "sudo") and self.is_there(item.path):
                self.needs.stop(
                    _CODES[row.verdict], f"{item.path}:{item.line} runs {item.value}: {row.why}"
                )
        for item in application.frameworks:
            if self.is_there(item.path):
                run = " ".join(started.text for started in self.run)
                for path in programs.framework_folders(item.value, item.path, run):
                    self.place(path if path == "~" else f"{path}/", item.path, self.directory)
        self.downloads(application)
        self.untold(application)

    def untold(self, application: Application) -> None:
        """Note what the sources do not tell, file by file."""
        paths: dict[str, list[int]] = {}
        runs: dict[str, list[int]] = {}
        for item in application.unknown:
            if not self.is_there(item.path):
                continue
            if item.value in (PATH, PROGRAM):
                (paths if item.value == PATH else runs).setdefault(item.path, []).append(item.line)
            else:
                self.needs.assume(
                    f"{item.path} ({item.value.partition(':')[0]}) needs no root, and writes below "
                    f"/tmp or where user {self.needs.user} may write", unclear=True,
                )  # fmt: skip
        for path, numbers in paths.items():
            self.needs.assume(self.computed(f"{path}:{_shown(numbers)}"))
        for path, numbers in runs.items():
            self.needs.assume(f"{path}:{_shown(numbers)} runs no program that needs root")

    def downloads(self, application: Application) -> None:
        """Note what is downloaded: to the home, if it was not while root built the image."""
        for item in application.downloads:
            if self.is_there(item.path):
                self.home(f"{item.path}:{item.line}")
                self.needs.assume(
                    f"{item.path}:{item.line} finds its {item.value}, or may download it again, "
                    f"as user {self.needs.user}"
                )

    def is_there(self, path: str) -> bool:
        """Whether a source file is in the image and in use, or may be in another form.

        Scripts of a shell count only where they are started, and then they are read themselves.
        """
        if path.endswith((".sh", ".bash")):
            return False
        if "gunicorn" in posixpath.basename(path):
            if not any(item.name == "gunicorn" for item in self.run):
                return False
        if self.placed is None:
            return True
        suffix = posixpath.splitext(path)[1]
        kinds = {posixpath.splitext(source)[1] for source in self.placed.files.values()}
        return suffix not in kinds or path in self.placed.files.values()

    def resolved(self, path: str, in_source: bool) -> list[str]:
        """Return where a path is in the image: one of the build context is where it was copied."""
        if not in_source or self.placed is None:
            return [path]
        tail = path.rstrip("/")
        while tail or path:
            rest = path[len(tail) :]
            found = {
                file[: len(file) - len(source) + len(tail)] + rest
                for file, source in self.placed.files.items()
                if (source == tail or source.startswith(f"{tail}/" if tail else ""))
                and file.endswith(source[len(tail) :])
            }
            if found or not tail:
                return sorted(p if p.startswith("/") else f"/{p}" for p in found)
            tail = posixpath.dirname(tail)
        return [path]


def _shown(numbers: list[int]) -> str:
    lines = sorted(set(numbers))
    more = f" and {len(lines) - 6} more" if len(lines) > 6 else ""
    return ",".join(map(str, lines[:6])) + more


def environment(stage: Stage) -> dict[str, Value]:
    """Return the variables of a stage's image."""
    found = dict(stage.config)["env"]
    assert isinstance(found, tuple)
    return dict(found)


def _low(found: Needs, port: int, where: str) -> None:
    found.stop("U304", f"{where}: port {port} is below 1024, where only root can listen on many "
               "platforms", "listen on a port from 1024 on")  # fmt: skip


def _configuration(found: Needs, stage: Stage) -> None:
    """Look at what the image is configured with."""
    for name, value in environment(stage).items():
        if _ROOT_HOME.search(value.text):
            found.stop("U305", f"ENV {name} names a folder below /root, which only root can read",
                       "put it somewhere else")  # fmt: skip
    where = directory(stage)
    if where == "/root" or where.startswith("/root/"):
        found.stop("U305", "WORKDIR is below /root, which only root can enter",
                   "choose another WORKDIR")  # fmt: skip
    volumes = dict(stage.config)["volumes"]
    assert isinstance(volumes, frozenset)
    for path in sorted(volumes):
        found.volumes.append(path)
        _mounted(found, path, f"VOLUME {path}")


def _mounted(found: Needs, path: str, where: str) -> None:
    path = posixpath.normpath(path)
    if not path.startswith("/") or _FREE.match(path):
        return
    if _SYSTEM.match(path):
        found.stop("U305", f"{where}: the folder belongs to root", "mount another folder")
    else:
        found.folders.setdefault(path, where)


def _built(found: Needs, build: Build, index: int, run: set[str]) -> None:
    """Look at what the build leaves behind that only root can read."""
    for stage in lineage(build, index):
        env = dict.fromkeys(environment(stage))
        if any(_NO_ENVIRONMENT.search(event.text) for event in stage.events):
            env["POETRY_VIRTUALENVS_CREATE"] = None
        for event in flat(stage.events):
            text = event.text
            if isinstance(event, Copy):
                _copied(found, event)
                continue
            if leaves := programs.left_in_home(text, env, run):
                found.stop("U305", f"`{text[:70]}` leaves {leaves}, which only root can read",
                           "install to a folder outside /root")  # fmt: skip
            elif re.search(r"\bsetcap\b", text):
                found.stop("U303", f"`{text[:70]}` gives a program capabilities")
            elif isinstance(event, Exec):
                _made(found, event, run)


def lineage(build: Build, index: int) -> Iterator[Stage]:
    """Yield a stage and those that it starts from."""
    stage = build.stages[index]
    yield stage
    while isinstance(stage.base, int):
        stage = build.stages[stage.base]
        yield stage


def _copied(found: Needs, event: Copy) -> None:
    target = event.destination.text
    if target == "/root" or target.startswith(("/root/", "~")):
        found.stop("U305", f"`{event.text[:70]}` copies to a folder that only root can read",
                   "copy to another folder")  # fmt: skip
    mode = dict(event.flags).get("chmod") or ""
    if re.fullmatch(r"[0-7]{3,4}", mode) and not int(mode[-1]) & 4:
        found.stop("U305", f"`{event.text[:70]}`: mode {mode} lets no other user read it",
                   "let others read it")  # fmt: skip
    if event.origin is None:
        found.assume(FROM_GIT)


def _made(found: Needs, event: Exec, run: set[str]) -> None:
    """Look at one command of the build."""
    argv = event.argv
    if argv[:1] == ("chmod",) and len(argv) > 2:
        mode, *paths = [w for w in argv[1:] if not re.match(r"-\w|--", w)]
        started = any(posixpath.basename(path) in run for path in paths)
        secret = all(re.match(r"/root|~|/etc/|/var/spool|/run|\$", path) for path in paths)
        if _is_closed(mode, started) and not secret:
            found.stop("U305", f"`{event.text[:70]}` lets no other user {'run' if started else 'read'}"
                       " it", "let others read it")  # fmt: skip
        return
    operation = argv_operation(argv)
    if operation is not None or only_cleans(argv) or argv[:1] in (("rm",), ("rmdir",)):
        return
    texts = (*argv, *event.redirects)
    if any(_ROOT_HOME.search(word) for word in texts):
        found.assume(f"nothing that runs needs what `{event.text[:70]}` does in the home of root")


def _is_closed(mode: str, started: bool) -> bool:
    """Whether a mode keeps others from reading a file, or from running it if that is started."""
    if re.fullmatch(r"[0-7]{3,4}", mode):
        wanted = 5 if started else 4
        return int(mode[-1]) & wanted != wanted
    return started and re.fullmatch(r"[ug]+\+[rwx]*x[rwx]*", mode) is not None


def _outside(found: Needs, stage: Stage, around: Surroundings) -> None:
    """Look at how the image is used elsewhere."""
    if around.invocations is None:
        return
    if (named := around.invocations.targets) and stage.name not in named:
        return  # what is mounted is mounted on the stages that are asked for
    for mount in around.invocations.mounts:
        where = f"{mount.path}:{mount.line}"
        if mount.source.endswith(_SOCKET) or mount.target.endswith(_SOCKET):
            found.stop("U303", f"{where} gives it the socket of the container engine, which is "
                       "root's", "")  # fmt: skip
        elif posixpath.basename(mount.target) in _INSTALLED:
            continue
        elif mount.kind == "volume" and not mount.read_only:
            found.volumes.append(mount.target)
            _mounted(found, mount.target, where)
        elif mount.kind == "bind":
            found.assume(
                f"{where}: user {found.user} may read, and where it must write, what is mounted "
                f"at {mount.target}"
            )


def _ports(found: Needs, stage: Stage, around: Surroundings) -> None:
    """Look at the ports that are declared."""
    declared = dict(stage.config)["ports"]
    assert isinstance(declared, frozenset)
    numbers: list[tuple[str, str]] = []
    for text in sorted(declared):
        default = re.search(r"=ARG \w+=(\d+)", text)
        numbers.append((default[1] if default else text.partition("/")[0], "EXPOSE"))
    for port in around.invocations.ports if around.invocations else ():
        numbers.append((port.value.partition("/")[0], f"{port.path}:{port.line}"))
    for name, value in environment(stage).items():
        if name in _PORTS and (match := re.search(r"(?:\A|[:=])(\d+)\Z", value.text)):
            numbers.append((match[1], f"ENV {name}"))
    for text, where in numbers:
        number = text.partition("-")[0]
        if number.isdecimal():
            found.listens = True
            if int(number) < 1024:
                _low(found, int(number), where)


def names(stops: Iterable[Stop]) -> set[str]:
    """Return the codes of stops."""
    return {stop.code for stop in stops}
