"""What commands do with a file of the build context that is a secret, by a table of programs.

Each command is one of three: a program that is known to read the file, which gets it mounted; one
that is known not to; or the end of it, `rm`. Anything else is a reason to leave the file. A mount
cannot be deleted, renamed or given to another owner: a RUN that tries would fail. git, which stores
anew what it was let in with, only says so (git: credential.c takes no notice of how a helper ends).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import lru_cache

from refactor.effects.entered import is_apart
from refactor.effects.events import Event, Exec, Stage, Verbatim, flat
from refactor.effects.lowering import KNOWN_PROGRAM
from refactor.facts import secret_words
from refactor.facts.images import Image
from refactor.facts.packages import argv_operation, command_of, unwrap
from refactor.knowledge import table
from refactor.model import Unfit as Unfit
from refactor.words import Value

_OTHERS = frozenset("su sudo gosu su-exec runuser setpriv".split())
_ATTRIBUTES = frozenset({"chown", "chmod", "chgrp"})
_HARMLESS = frozenset({"cd", "mkdir", "echo"})
_OWN = frozenset({"git", "curl", "wget"})  # they read no other settings in a home than their own
_PACKS_NOT = frozenset("restore nuget tool workload sources source --info --version".split())
_REMOVES = frozenset({"-f", "-rf", "-r", "-fr", "--"})
_PLAIN = re.compile(r"[\w@%+=:,./-]*", re.ASCII)
_STAYS = re.compile(r"set |export (?!.*(?:HOME|PWD|CDPATH))", re.DOTALL)
_GLOB = re.compile(r"([\w@%+=:,./-]*)([*?][\w@%+=:,./*?-]*)", re.ASCII)
_HOME = re.compile(r"\A(?:~|\$HOME|\$\{HOME\})(?=/)")
_PASSWORD = re.compile(r"://[^/\s@]*[:$][^/\s]*@")


def readers_of(path: str) -> frozenset[str]:
    """Return the programs that read a file of this name."""
    row = kind(path)
    return frozenset(row["readers"].split()) if row else frozenset()


def kind(path: str) -> dict[str, str] | None:
    """Return the table's row for a file; None if it is of no kind that can be mounted."""
    return _kinds().get(posixpath.basename(path))


def is_rewritten(path: str, text: str) -> bool:
    """Whether a program that reads a file with this text writes it too, of its own accord."""
    row = kind(path)
    return row is not None and row["rewritten"] != "-" and bool(re.search(row["rewritten"], text))


@lru_cache(maxsize=1)
def _kinds() -> dict[str, dict[str, str]]:
    return {name: row for row in table("secret_files") for name in row["file"].split()}


@lru_cache(maxsize=1)
def _reads() -> dict[str, frozenset[str]]:
    return {row["command"]: frozenset(row["reads"].split()) for row in table("commands")}


@lru_cache(maxsize=1)
def _touches() -> dict[str, frozenset[str]]:
    rows = table("commands")
    return {row["command"]: frozenset(f"{row['reads']} {row['writes']}".split()) for row in rows}


class Walk:
    """Tells what the commands of a stage do with a file at a place; `others` are its other ones.

    `makes` is the highest folder that is there only with the file, empty if there is none; `made`
    the one that the COPY made, and so gave an owner, even if it is made again later. `mode`
    is how the mount has to be; `packed` whether what builds a project may take the file along;
    `found` whether a program looks for the file where it is.
    """

    def __init__(
        self, stage: Stage, image: Image, target: str, path: str, others: frozenset[str]
    ) -> None:
        row = kind(path)
        assert row is not None
        self.readers = readers_of(path)
        self.places = row["places"].split()
        self.options = frozenset(row["options"].split()) - {"-"}
        self.writes = frozenset(row["writes"].split()) - {"-"}
        self.image, self.stage = image, stage
        self.target, self.name = target, posixpath.basename(path)
        self.others = others
        self.makes = self.made = self.mode = ""
        self.found = self.named = self.packed = False

    def removes(self, event: Event) -> bool:
        """Whether a command deletes the file, and does nothing else."""
        return self._only(event, "rm")

    def readies(self, event: Event) -> bool:
        """Whether a command sets who may read the file, and does nothing else."""
        return any(self._only(event, name) for name in _ATTRIBUTES)

    def _only(self, event: Event, program: str) -> bool:
        plain = isinstance(event, Exec) and event.must and not (
            event.redirects or event.assignments or _moves(event)
        )  # fmt: skip
        if not plain or not isinstance(event, Exec) or event.argv[:1] != (program,):
            return False
        words = [word for word in event.argv[1:] if program != "rm" or word not in _REMOVES]
        words = words[program != "rm" :]  # the mode, or the owner
        return len(words) == 1 and self.path(words[0], event) == self.target

    def run(self, events: list[Event]) -> bool | Unfit:
        """Return whether a RUN reads the file, or why that is not known."""
        flags = {value for event in flat(tuple(events)) for value in mounts(event)}
        if not all(is_apart(self.target, value) for value in flags):
            return Unfit("X747", f"another mount may meet {self.target}", "mount the file by hand")
        readers = [event for event in flat(tuple(events)) if self.reads(event)]
        for event in flat(tuple(events)):
            known = event in readers
            refusal = self._reader(event) if known else self._other(event, bool(readers))
            if refusal is not None:
                return refusal
        return bool(readers)

    def reads(self, event: Event) -> bool:
        """Whether a program is known to read the file."""
        words = _words(event)
        if words[1:2] == ("-m",) and re.fullmatch(r"python[\d.]*", words[0]):
            words = words[2:]
        return words[:1] != () and words[0] in self.readers and not _is_setting(words)

    def _reader(self, event: Event) -> Unfit | None:
        assert isinstance(event, Exec)
        pairs = list(zip(("", *event.argv), event.argv, strict=False))
        given = [w.partition("=")[2] for w in event.argv if w.partition("=")[0] in self.options]
        given += [word for before, word in pairs if before in self.options]
        named = any(
            self.name in word and not {before, word.partition("=")[0]} & self.options
            for before, word in pairs
        )
        stores = self.name == ".git-credentials" and _PASSWORD.search(" ".join(event.argv))
        written = any(self.meets(_file(word), event) for word in event.redirects)
        if self.writes.intersection(event.argv[1:]) or written or named or stores:
            return Unfit("X747", f"`{told(event)}` may write {self.target}",
                         "write settings to another file")  # fmt: skip
        if self.packed and (verb := _words(event)[1:2]) and verb[0] not in _PACKS_NOT:
            return Unfit("X747", f"`{told(event)}` may put {self.target} into what it builds",
                         "copy it outside of the project")  # fmt: skip
        if any(self.path(word, event) == self.target for word in given) or self._found(event):
            self.found = True
        user = event.setting.user.text or self.image.user
        if user not in ("root", "0") or event.argv[0] in _OTHERS:
            if self.made:  # the mount makes it again, for root
                return self._needed(event, self.made)
            self.mode = ",mode=0444"
        return None

    def _other(self, event: Event, mounted: bool) -> Unfit | None:
        """Return why a command may read or write the file, None if it does not."""
        if not isinstance(event, Exec):
            return self._unknown(event)
        words = _words(event)
        if not words:
            return None
        written = any(self.meets(_file(word), event) for word in event.redirects)
        if _is_setting(words) and not written:
            name = re.compile(rf"(?:\A|[\s=]){re.escape(self.target)}(?:\s|\Z)")
            self.named = self.named or any(map(name.search, words))
            return None
        reads = _reads().get(words[0])
        here = self.path(".", event)
        if words[0] in _OWN and here and not self.target.startswith(f"{here.rstrip('/')}/"):
            reads = frozenset()
        if reads is None or reads & {"any", "cwd", "home", "node", "python"}:
            return self._unknown(event)
        plain = words[0] != "cd" and _names_no_file(words)
        files = () if plain else event.argv[1:]
        known = (word for word in event.argv[1:] if self.path(word, event))
        used = (*files, *known, *map(_file, event.redirects))
        if self.makes and any(self._in_made(word, event) for word in used):
            return self._needed(event, self.makes)
        near = [] if _names_no_file(words) else event.argv[1:]
        near = [word for word in near if self.meets(word, event)]
        attributes = words[0] in _ATTRIBUTES and not any(self.name in word for word in near)
        if near and attributes and self.made:
            return self._needed(event, self.made)
        named = near and (mounted or not attributes) and words[0] not in _HARMLESS
        if named or written:
            return Unfit("X747", f"`{told(event)}` may change {self.target}", "leave the file out")
        return None

    def _in_made(self, word: str, event: Exec) -> bool:
        """Whether a word may name the folder that is there only with the file, or what is in it."""
        glob = _GLOB.fullmatch(word) and ".." not in word
        path = self.path((re.split(r"[*?]", word)[0] if glob else word) or ".", event)
        inside = f"{path}/".startswith(f"{self.makes}/")
        return not path or inside or bool(glob and self.makes.startswith(path))

    def _needed(self, event: Event, folder: str) -> Unfit:
        return Unfit("X747", f"`{told(event)}` may need {folder}, which the COPY makes",
                     "make the folder in a RUN")  # fmt: skip

    def _unknown(self, event: Event) -> Unfit:
        return Unfit("X744", f"`{told(event)}` may read {self.target}",
                     "give the file to one command")  # fmt: skip

    def meets(self, word: str, event: Exec) -> bool:
        """Whether a word may name the file, or a folder that it is in."""
        if self.path(word, event) in self.others:
            return False
        if match := _GLOB.fullmatch(word):
            start = self.path(posixpath.dirname(match[1]) or ".", event).rstrip("/")
            inside = f"{start}/{posixpath.basename(match[1])}"
            return not start or ".." in match[2] or self.target.startswith(inside)
        if self.name in word or not _PLAIN.fullmatch(word):
            return True
        path = self.path(word, event)
        return not path or self.target.startswith(path.rstrip("/") + "/")

    def path(self, word: str, event: Exec) -> str:
        """Return a word as an absolute path; empty if that is not known."""
        place = event.setting.workdir
        known = len(place) == 1 and not place[0].raw and not _moves(event)
        bare = bool(event.quoted) and not any(event.quoted)  # a shell fills in what is not quoted
        if bare and self.image.known and self._home(event) == "/root":
            word = _HOME.sub("/root", word)
        if not _PLAIN.fullmatch(word) or not (word.startswith("/") or known):
            return ""
        return posixpath.normpath(posixpath.join(place[0].text if known else "/", word))

    def _home(self, event: Exec) -> str:
        """Return the home of the user in force, as far as is usual; empty if it is set anew."""
        user = event.setting.user.text or self.image.user
        home = "/root" if user in ("root", "0") else f"/home/{user}"
        return "" if "HOME" in dict(_environment(self.stage)) else home

    def _found(self, event: Exec) -> bool:
        """Whether a program looks for the file where it is."""
        folder = posixpath.dirname(self.target)
        home, here = self._home(event), self.path(".", event)
        variables = dict(_environment(self.stage))
        for place in self.places:
            if place == "..":
                there = bool(here) and f"{here}/".startswith(f"{folder.rstrip('/')}/")
            elif place == "cwd":
                there = here == folder
            elif place.startswith("$"):
                value = variables.get(place[1:])
                there = value is not None and value.text in (folder, self.target)
            elif place.startswith("~"):
                there = bool(home) and posixpath.normpath(place.replace("~", home)) == folder
            else:
                there = place == folder
            if there:
                return True
        return self.named


def _environment(stage: Stage) -> tuple[tuple[str, Value], ...]:
    found = dict(stage.config)["env"]
    assert isinstance(found, tuple)
    return found


def _moves(event: Exec) -> bool:
    """Whether the shell may be in another folder, or have another home, than the RUN began with."""
    return not all(s == KNOWN_PROGRAM or _STAYS.match(s) for s in event.shell_state)


def _file(redirect: str) -> str:
    """Return the file that a redirection names; another stream is none."""
    if re.fullmatch(r"\d*[<>]&[\d-]+", redirect):
        return "/dev/null"
    return re.sub(r"\A\d*(?:[<>]+[&|]?|&>>?)\s*", "", redirect)


def _names_no_file(words: tuple[str, ...]) -> bool:
    """Whether the words of a command are no files: packages, or what the shell takes for itself."""
    plain = not any("/" in word or word.startswith("-o") for word in words)
    installs = argv_operation(words) is not None and plain
    return installs or not {"args", "any"} & _touches().get(words[0], frozenset({"any"}))


def _is_setting(words: tuple[str, ...]) -> bool:
    """Whether a command only reads and writes git's own settings."""
    files = any(re.match(r"(?:-f|--file|--blob)(?:=|\Z)", word) for word in words)
    return words[:2] == ("git", "config") and not files


def _words(event: Event) -> tuple[str, ...]:
    """Return the words of a command, behind sudo and the like."""
    if not isinstance(event, Exec):
        return ()
    words, _ = unwrap(command_of(event.argv).words)
    return tuple(word.text for word in words)


def told(event: Event) -> str:
    """Return the beginning of a command, as a reason tells it: no secret, not even half of one."""
    return secret_words.mask(event.text)[:60]


def mounts(event: Event) -> Iterator[str | None]:
    """Yield what the mounts of a command's RUN say."""
    if isinstance(event, Exec | Verbatim):
        yield from (value for name, value in event.setting.flags if name == "mount")
