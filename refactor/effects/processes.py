"""What the processes of a container do: the commands that are started, and their sources."""

from __future__ import annotations

import posixpath
import re
from functools import cached_property
from typing import TYPE_CHECKING

from refactor.effects.needs import ROOT_HOME, Needs
from refactor.effects.placed import Placed
from refactor.effects.started import SHELLS, Started, script_path
from refactor.facts import programs
from refactor.facts.evidence import PATH, PROGRAM, Found
from refactor.words import Value

if TYPE_CHECKING:
    from refactor.facts.applications import Application

_CODES = {"root": "U303", "drops": "U301", "sudo": "U306", "builds": "U308"}
_UNLOCKS = {"root": "do it when the image is built", "builds": "build it when the image is built"}
_COMPILED = frozenset({"go", "rust", "c", "csharp", "java", "kotlin", "scala"})
_RELATED = {"javascript": frozenset({"typescript"}), "java": _COMPILED, "csharp": _COMPILED}
# Words of a source line that make its path a folder, and those that look first if it is there.
_FOLDER = re.compile(r"(?i)mkdir|makedirs|createDirector|(?:_ROOT|_DIR|_FOLDER|_DIRECTORY)\b")
_IF_MISSING = re.compile(
    r"(?i)exist_ok|recursive|mkdir_p|MkdirAll|mkdirs|create_dir_all|makedirsSync|createDirectories|"
    r"ensureDir|exists|isdir|is_dir|\bstat\(|FileExistsError|, true\)"
)
_SETTING = re.compile(
    r"^[ \t]*(http\d*(?:-socket)?|socket|uwsgi-socket|pidfile2?|logto2?|daemonize)[ \t]*="
    r"([^\n;#]+)",
    re.MULTILINE,
)
# Without arguments these wait for what is typed; mvn is what an image for builds starts.
_PROMPTS = re.compile(
    r"(?:python|pypy)[\d.]*\Z|(?:node|irb|R|jshell|julia|iex|erl|ghci|mvn|ipython)\Z"
)
_DEFAULT = re.compile(r"\$\{\w+:?-([^{}$]+)\}")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


class Processes:
    """Looks at what is started, and notes what it needs; `folders` are known to be such."""

    def __init__(
        self, found: Needs, run: list[Started], env: dict[str, Value], placed: Placed | None,
        application: Application | None, folders: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self.needs = found
        self.run = run
        self.names = {item.name for item in run}
        self.unknowns: set[str] = set()
        self.env = env
        self.placed = placed
        self.application = application
        self.folders = folders

    def look(self) -> None:
        """Look at everything."""
        for item in self.run:
            for target in item.targets:
                self.written(target, item.where)
            if item.argv:
                self.command(item)
        if not self.run:
            self.needs.stop("U308", "nothing says what the image runs", "add a CMD")
        elif all(map(_only_waits, self.run)):
            self.needs.stop("U313", "it runs nothing by itself: somebody works in it",
                            "add a CMD that runs something")  # fmt: skip
        if self.application is not None:
            self.sources(self.application)

    def command(self, item: Started) -> None:
        """Look at one command that is started."""
        if match := ROOT_HOME.search(item.text):
            self.needs.stop("U305", f"{item.where} names {match[0]}, which only root can read",
                            "put it somewhere else")  # fmt: skip
        for path in programs.written(item.argv):
            self.written(path, item.where)
        for port in programs.ports(item.name, item.argv[1:]):
            self.needs.listen(port, item.where)
        row = programs.program(item.name, item.argv[1:])
        if row is None or row.verdict != "tool":
            for path in programs.state(map(self.expanded, item.argv[1:])):
                self.kept(path, item.where)
        if row is None or (item.name in SHELLS and len(item.argv) > 1):
            if not self.is_script(item):
                self.unknown(item)
        else:
            self.known(item, row)

    def known(self, item: Started, row: programs.Program) -> None:
        """Look at a command whose program is in the table."""
        if row.port and not self.needs.listens:
            self.needs.listen(int(row.port), item.where)
        text = f"{item.where} runs {item.name}: {row.why}"
        if row.verdict in _CODES:
            self.needs.stop(_CODES[row.verdict], text, _UNLOCKS.get(row.verdict, ""))
        elif row.verdict == "home" and not any(
            n.startswith("POETRY_VIRTUALENVS") for n in self.env
        ):
            self.needs.stop("U305", text, "install without an environment of its own")
        elif row.verdict == "assumes":
            self.needs.assume(f"{item.where}: `{item.text[:60]}` {row.why}", unclear=True)
        for path in row.writes:
            self.needs.write(f"{path.rstrip('/')}/", item.where)
        if item.name == "uwsgi":
            self.settings(item)
        if row.language and not self.is_read(row.language):
            self.unknown(item)

    def settings(self, item: Started) -> None:
        """Read the settings of uWSGI that a command names."""
        for word in item.argv[1:]:
            path = posixpath.normpath(posixpath.join(self.needs.directory or "/", word))
            text = self.placed.text(path) if self.placed is not None else None
            for name, value in _SETTING.findall(text or "") if word.endswith(".ini") else ():
                if name.startswith("http") or "/" not in value:
                    for port in programs.ports("uwsgi", (f"--http={value.strip()}",)):
                        self.needs.listen(port, word)
                else:
                    self.written(value.strip(), word)

    def is_settled(self) -> bool:
        """Whether the image's variables keep a project's environment out of homes."""
        return any(name.startswith("POETRY_VIRTUALENVS") for name in self.env)

    def is_read(self, language: str) -> bool:
        """Whether all sources of a language were read, and there are some."""
        known = self.application
        wanted = {language, *_RELATED.get(language, ())}
        return known is not None and known.complete and bool(wanted & known.languages)

    def is_script(self, item: Started) -> bool:
        """Whether what is started is a text of the build context, which is read for itself."""
        words = [word for word in item.argv[1:] if not word.startswith("-")]
        word = words[0] if item.name in SHELLS and words else item.argv[0]
        path = script_path(self.placed, self.needs.directory, word)
        source = self.placed.files[path] if self.placed is not None and path else ""
        return source.endswith((".sh", ".bash", ".py")) or (item.name in SHELLS and bool(path))

    def unknown(self, item: Started) -> None:
        """Note a program that nothing tells about, unless it was built from what is read."""
        own = item.where in ("CMD", "ENTRYPOINT") and programs.program(item.name, ()) is None
        if own and any(map(self.is_read, _COMPILED)):
            return
        plain = item.name not in SHELLS and "$" not in item.argv[0]
        name = item.argv[0] if plain else item.text[:60]
        if name not in self.unknowns:
            self.unknowns.add(name)
            self.needs.assume_harmless(f"{item.where}: {name}")

    def written(self, text: str, where: str) -> None:
        """Note a path that a shell's text writes."""
        text = self.expanded(text)
        if text.startswith("&") or not text.strip("/"):
            return
        if re.search(r"[$`*?{]", text):
            self.needs.assume_writable(where)
        else:
            is_folder = posixpath.normpath(text) in self.folders
            self.needs.write(f"{text.rstrip('/')}/" if is_folder else text, where)

    def kept(self, path: str, where: str) -> None:
        """Note where a service keeps something, unless a file to read was copied there."""
        if self.placed is None or self.placed.kind(path) != "file":
            self.written(path, where)

    def expanded(self, text: str) -> str:
        """Return a text with the values of the variables that the image is known to set."""
        return _VARIABLE.sub(
            lambda match: self.value(match[1]) or match[0], _DEFAULT.sub(r"\1", text)
        )

    def value(self, name: str) -> str:
        """Return a variable of the image; empty if it is not known."""
        value = self.env.get(name)
        return value.text if value is not None and not value.raw else ""

    def sources(self, application: Application) -> None:
        """Look at what the sources say."""
        for item in application.writes:
            if self.is_there(item.path):
                self.source_write(item)
        for item in application.ports:
            if self.is_there(item.path) and item.value.isdecimal():
                self.needs.listen(int(item.value), f"{item.path}:{item.line}")
        for item in application.home:
            if self.is_there(item.path):
                self.home(item.value, f"{item.path}:{item.line}")
        for item in application.programs:
            row = programs.program(item.value.rpartition("/")[2], ())
            if row and row.verdict in ("root", "drops", "sudo") and self.is_there(item.path):
                self.needs.stop(
                    _CODES[row.verdict], f"{item.path}:{item.line} runs {item.value}: {row.why}"
                )
        run = " ".join(started.text for started in self.run)
        for item in application.frameworks:
            for path in programs.framework_folders(item.value, item.path, run):
                if self.is_there(item.path):
                    self.needs.write(f"{path}/", item.path)
        for item in application.downloads:
            if self.is_there(item.path):
                self.download(item.value, f"{item.path}:{item.line}")
        self.untold(application)

    def source_write(self, item: Found) -> None:
        """Look at a path that a source writes, and at the words around it."""
        where = f"{item.path}:{item.line}"
        line, around = self.line(item)
        if "STATIC_ROOT" in line and not any("collectstatic" in i.text for i in self.run):
            return  # it was filled when the image was built
        end = "/" if _FOLDER.search(line) and not item.value.endswith("/") else ""
        for path in self.resolved(item.value) if item.in_source else [item.value]:
            self.needs.write(path + end, where)
        if end and re.search(r"(?i)mkdir", line) and not _IF_MISSING.search(around):
            self.needs.assume(f"{where} makes {item.value} only if it is not there")

    def line(self, item: Found) -> tuple[str, str]:
        """Return the line of a source, and a few around it."""
        text = self.placed.sent.text(item.path) if self.placed is not None else None
        lines = (text or "").split("\n")
        at = item.line - 1
        line = lines[at] if at < len(lines) else ""
        return line, "\n".join(lines[max(0, at - 2) : at + 3])

    def home(self, value: str, where: str) -> None:
        """Note that sources use a home."""
        if value.startswith("/root"):
            self.needs.stop("U305", f"{where} names /root, which only root can read",
                            "ask for the home of the user")  # fmt: skip
        else:
            self.needs.use_home(where)

    def download(self, value: str, where: str) -> None:
        """Note what is downloaded: to the home, if it was not while root built the image."""
        self.needs.use_home(where)
        self.needs.assume(
            f"{where}: user {self.needs.user} finds the {value}, or may download it again"
        )

    def untold(self, application: Application) -> None:
        """Note what the sources do not tell, file by file."""
        paths: dict[str, list[int]] = {}
        runs: dict[str, list[int]] = {}
        for item in application.unknown:
            if not self.is_there(item.path):
                continue
            if item.value == PATH:
                paths.setdefault(item.path, []).append(item.line)
            elif item.value == PROGRAM:
                runs.setdefault(item.path, []).append(item.line)
            else:
                self.needs.assume_harmless(f"{item.path} ({item.value.partition(':')[0]})")
        for path, numbers in paths.items():
            self.needs.assume_writable(f"{path}:{_shown(numbers)}")
        for path, numbers in runs.items():
            self.needs.assume(f"{path}:{_shown(numbers)} runs no program that needs root")

    @cached_property
    def kinds(self) -> set[str]:
        """The suffixes of the files in the image."""
        return {_suffix(path) for path in self.placed.files.values()} if self.placed else set()

    def is_there(self, path: str) -> bool:
        """Whether a source file is in the image and in use, or may be in another form.

        Scripts of a shell count only where they are started, and then they are read themselves.
        """
        if path.endswith((".sh", ".bash")):
            return False
        if "gunicorn" in posixpath.basename(path) and "gunicorn" not in self.names:
            return False
        if self.placed is None or _suffix(path) not in self.kinds:
            return True
        return path in self.placed.files.values()

    def resolved(self, path: str) -> list[str]:
        """Return where a path of the build context is in the image; none if it is not there."""
        if self.placed is None:
            return [path]
        known = path.rstrip("/")
        while True:
            rest = path[len(known) :]
            inside = f"{known}/" if known else ""
            found = {
                image[: len(image) - len(source)] + known + rest
                for image, source in self.placed.files.items()
                if (source == known or source.startswith(inside)) and image.endswith(source)
            }
            if found or not known:
                return sorted(place for place in found if place.startswith("/"))
            known = posixpath.dirname(known)


def _only_waits(item: Started) -> bool:
    """Whether a command asks a person what to do, or keeps a container alive."""
    if item.name in SHELLS or _PROMPTS.match(item.name):
        return all(word.startswith("-") for word in item.argv[1:])
    return item.name == "sleep" or (item.name == "tail" and "dev/null" in item.text)


def _suffix(path: str) -> str:
    return posixpath.splitext(path)[1]


def _shown(numbers: list[int]) -> str:
    lines = sorted(set(numbers))
    more = f" and {len(lines) - 6} more" if len(lines) > 6 else ""
    return ",".join(map(str, lines[:6])) + more
