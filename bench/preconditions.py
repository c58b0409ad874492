"""Whether a finding of a linter can be mended mechanically, by a reading of its own.

This is the measure's second opinion: nothing here comes from the tool that is measured. Each
precondition takes the instruction of a finding and returns "" if it holds, or a short reason.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import tree_sitter
import tree_sitter_bash

_BASH = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))
_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S.*?)\s*$")
_HEREDOC = re.compile(r"(?:^|\s)\d*<<(-?)(['\"]?)([A-Za-z_][\w.]*)\2(?=[\s;|&>)]|$)")
_FLAG = re.compile(r"--[a-z]+(?:=\S+)?\s+")
_WINDOWS = re.compile(r"(?i)windows|nanoserver|servercore|dotnet/framework")
_ARCHIVE = re.compile(r"(?i)\.(tar|t?gz|t?bz2?|tbz2|t?xz|t?lzma|tlz|t?zst|z)(\.\w+)?$")
_POSIX_SHELLS = {"sh", "bash", "ash", "dash", "ksh"}


@dataclass(frozen=True)
class Command:
    """A simple command of a shell script: unquoted words, and what surrounds it."""

    words: tuple[str, ...]
    text: str
    redirects: str = ""
    fed: bool = False  # by a pipe
    piped: bool = False  # into another command, with its messages if `|&`
    certain: bool = True  # runs whenever the script gets there
    nested: bool = False  # in a subshell or substitution, or in a function's body

    @property
    def name(self) -> str:
        """Return the program's name without its folder."""
        return self.words[0].rsplit("/", 1)[-1] if self.words else ""

    @property
    def action(self) -> str:
        """Return the first word that is no option."""
        return next(iter(self.operands), "")

    @property
    def operands(self) -> list[str]:
        """Return the words that are no options; the value of an option counts as one of them."""
        return [word for word in self.words[1:] if not word.startswith("-")]

    def has(self, *options: str) -> bool:
        """Return whether one of these words is there, with or without `=value`."""
        return any(word.split("=")[0] in options for word in self.words)

    def short(self, letters: str) -> bool:
        """Return whether a cluster of short options holds these letters."""
        return any(re.fullmatch(rf"-\w*{letters}\w*", word) for word in self.words)

    @property
    def bare(self) -> Command:
        """Return the command that sudo, env and the like start."""
        words = list(self.words)
        while words and (words[0] in ("sudo", "env", "exec", "command", "time", "nice", "eatmydata")
                         or re.match(r"\w+=", words[0])):  # fmt: skip
            words.pop(0)
            while words and words[0].startswith("-"):
                words.pop(0)
        return Command(tuple(words), self.text, certain=self.certain, nested=self.nested)


@dataclass(frozen=True)
class Instruction:
    """One instruction: its lines without continuations and comments, as BuildKit joins them."""

    keyword: str
    text: str  # what follows the keyword and its flags
    flags: tuple[str, ...]
    line: int
    end: int
    heredoc: str | None
    comments: tuple[str, ...]
    onbuild: bool = False

    @cached_property
    def array(self) -> list[str] | None:
        """Return the words of the JSON form, or None."""
        try:
            found = json.loads(self.text)
        except ValueError:
            return None
        return found if isinstance(found, list) and all(isinstance(w, str) for w in found) else None

    @property
    def words(self) -> list[str]:
        """Return the words of either form."""
        return self.array if self.array is not None else self.text.split()

    @cached_property
    def script(self) -> tuple[Command, ...] | None:
        """Return the simple commands of a RUN in shell form, or None if it is not understood."""
        if self.keyword != "RUN" or self.heredoc is not None or self.array is not None:
            return None
        return commands(self.text)


@dataclass(eq=False)
class Stage:
    """A FROM and what follows it."""

    origin: Instruction
    base: str
    name: str
    parent: Stage | None
    instructions: list[Instruction] = field(default_factory=list)

    @property
    def root(self) -> str:
        """Return the image that the first of its ancestors starts from."""
        return self.parent.root if self.parent else self.base

    @property
    def lineage(self) -> list[Stage]:
        """Return the stage and its ancestors, the oldest first."""
        return [*(self.parent.lineage if self.parent else []), self]

    @property
    def windows(self) -> bool:
        """Return whether Windows containers are built."""
        return bool(_WINDOWS.search(self.root) or any("windows" in f for f in self.origin.flags))


@lru_cache(maxsize=4096)
def commands(script: str) -> tuple[Command, ...] | None:
    """Return the simple commands of a script in their order, or None if it has a syntax error."""
    root = _BASH.parse(script.encode()).root_node
    return None if root.has_error else tuple(_walk(root, Command((), "")))


_UNCERTAIN = "if_statement while_statement for_statement c_style_for_statement case_statement"
_NESTED = "subshell command_substitution process_substitution function_definition"


def _walk(node: tree_sitter.Node, around: Command) -> Iterator[Command]:
    """Yield the commands below a node; `around` carries what the nodes above say of them."""
    if node.type in ("command", "declaration_command", "unset_command"):
        words = tuple(
            _unquoted(child)
            for child in node.children
            if child.type not in ("variable_assignment", "herestring_redirect", "file_redirect")
        )
        own = " ".join(_text(c) for c in node.children if "redirect" in c.type)
        yield Command(words, _text(node), f"{around.redirects} {own}".strip(), around.fed,
                      around.piped, around.certain, around.nested)  # fmt: skip
    redirects, fed = around.redirects, around.fed
    if node.type == "redirected_statement":
        redirects += " ".join(_text(c) for c in node.children if "redirect" in c.type)
    certain = around.certain and node.type not in _UNCERTAIN.split()
    nested = around.nested or node.type in _NESTED.split()
    stages = [c for c in node.children if c.is_named]
    seen_or = False
    for child in node.children:
        seen_or = seen_or or (node.type == "list" and child.type == "||")
        piped, into = around.piped, fed
        if node.type == "pipeline" and child.is_named:
            into, piped = fed or child != stages[0], piped or child != stages[-1]
        yield from _walk(child, Command((), "", redirects, into, piped,
                                        certain and not seen_or, nested))  # fmt: skip


def _text(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _unquoted(node: tree_sitter.Node) -> str:
    text = _text(node)
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


class Dockerfile:
    """The stages of a text, read line by line as BuildKit's documents say."""

    def __init__(self, text: str) -> None:
        self.lines = text.removeprefix("\ufeff").split("\n")
        self.escape = "\\"
        for line in self.lines:
            directive = _DIRECTIVE.match(line)
            if directive is None:
                break
            if directive[1].lower() == "escape":
                self.escape = directive[2]
        self.instructions = list(self._instructions())
        self.globals: list[Instruction] = []
        self.stages: list[Stage] = []
        for ins in self.instructions:
            if ins.keyword == "FROM":
                self.stages.append(self._stage(ins))
            elif self.stages:
                self.stages[-1].instructions.append(ins)
            else:
                self.globals.append(ins)

    def at(self, line: int) -> Instruction | None:
        """Return the instruction that a line belongs to."""
        return next((ins for ins in self.instructions if ins.line <= line <= ins.end), None)

    def stage(self, ins: Instruction) -> Stage | None:
        """Return the stage of an instruction, or None before the first FROM."""
        return next(
            (s for s in self.stages if ins is s.origin or any(ins is i for i in s.instructions)),
            None,
        )

    def children(self, stage: Stage) -> list[Stage]:
        """Return the stages that start from this one."""
        return [other for other in self.stages if other.parent is stage]

    def shipped(self, stage: Stage) -> bool:
        """Return whether the stage's layers end in the image of the last stage."""
        return any(stage is ancestor for ancestor in self.stages[-1].lineage)

    def ignored(self, ins: Instruction) -> set[str]:
        """Return the rules that comments switch off for an instruction."""
        near = [c for c in ins.comments if re.match(r"#\s*hadolint\s+ignore\s*=", c)]
        anywhere = [
            line.strip()
            for line in self.lines
            if re.match(r"\s*#\s*(hadolint\s+global\s+ignore|check)\s*=", line)
        ]
        return set(re.findall(r"\w+", " ".join(near + anywhere)))

    def _stage(self, ins: Instruction) -> Stage:
        words = ins.text.split()
        base = words[0].strip("'\"") if words else ""
        name = words[2] if len(words) > 2 and words[1].upper() == "AS" else ""
        earlier = [s for s in self.stages if s.name and s.name.lower() == base.lower()]
        return Stage(ins, base, name, earlier[-1] if earlier else None)

    def _instructions(self) -> Iterator[Instruction]:
        numbers = iter(range(len(self.lines)))
        comments: list[str] = []
        for number in numbers:
            line = self.lines[number].strip()
            if line.startswith("#"):
                comments.append(line)
            elif not line:
                comments = []
            else:
                text, end = self._joined(number)
                keyword, rest = _first_word(text)
                heredoc = None
                if keyword.upper() in ("RUN", "COPY", "ADD", "ONBUILD"):
                    body, last = self._heredoc(rest, end)
                    heredoc, end = (body, last) if last > end else (None, end)
                yield _instruction(keyword, rest, number + 1, end + 1, heredoc, tuple(comments))
                comments = []
                for _ in range(end - number):
                    next(numbers)

    def _joined(self, number: int) -> tuple[str, int]:
        """Return the text of an instruction and the index of its last line."""
        mark = re.escape(self.escape)
        goes_on = re.compile(rf"(?:^|(?<!{mark})){mark}[ \t]*\r?$")
        parts: list[str] = []
        end = number
        while number < len(self.lines):
            line = self.lines[number].rstrip("\r")
            skipped = bool(parts) and (not line.strip() or line.lstrip().startswith("#"))
            if not skipped:
                end = number
                continued = goes_on.search(line)
                parts.append(line[: continued.start()] if continued else line)
                if not continued:
                    break
            number += 1
        return "".join(parts), end

    def _heredoc(self, text: str, end: int) -> tuple[str, int]:
        """Return the bodies of the heredocs of an instruction and the index of the last line."""
        first = end
        for match in _HEREDOC.finditer(text):
            for number in range(end + 1, len(self.lines)):
                line = self.lines[number].rstrip("\r")
                if (line.lstrip("\t") if match[1] else line) == match[3]:
                    end = number
                    break
        return "\n".join(self.lines[first + 1 : end]), end


def _first_word(text: str) -> tuple[str, str]:
    """Return the first word of a text and the rest, without the blanks around."""
    words = text.split(maxsplit=1)
    return (words[0], words[1].rstrip()) if len(words) > 1 else (text.strip(), "")


def _instruction(
    keyword: str, rest: str, line: int, end: int, heredoc: str | None, comments: tuple[str, ...]
) -> Instruction:
    onbuild = keyword.upper() == "ONBUILD"
    if onbuild:
        keyword, rest = _first_word(rest)
    flags: list[str] = []
    while keyword.upper() != "ENV" and (flag := _FLAG.match(rest)):
        flags.append(flag[0].strip())
        rest = rest[flag.end() :]
    return Instruction(keyword.upper(), rest, tuple(flags), line, end, heredoc, comments, onbuild)


@dataclass(frozen=True)
class Place:
    """An instruction in its file: what the preconditions look at."""

    file: Dockerfile
    ins: Instruction
    stage: Stage

    @property
    def before(self) -> list[Instruction]:
        """Return what runs before the instruction: its ancestors' and its own stage's part."""
        ancestors = [ins for stage in self.stage.lineage[:-1] for ins in stage.instructions]
        own = self.stage.instructions
        return [*ancestors, *(i for i in own if i.line < self.ins.line)]

    @property
    def after(self) -> list[Instruction]:
        """Return the rest of the instruction's own stage."""
        return [i for i in self.stage.instructions if i.line > self.ins.line]


Precondition = Callable[[Place], str]


def place(file: Dockerfile, line: int) -> Place | None:
    """Return the place of a finding, or None if no stage has an instruction on its line."""
    ins = file.at(line)
    stage = file.stage(ins) if ins else None
    return Place(file, ins, stage) if ins and stage else None


# ---------------------------------------------------------------- what is known of an image

_ROOT_IS_WORKDIR = set(
    "debian ubuntu alpine python node fedora centos rockylinux almalinux amazonlinux oraclelinux"
    " busybox scratch ruby nginx openjdk eclipse-temurin rust buildpack-deps archlinux".split()
)
_GNU = set(
    "debian ubuntu centos rockylinux almalinux amazonlinux oraclelinux python node ruby golang"
    " openjdk eclipse-temurin rust buildpack-deps php perl maven gradle".split()
)
_OLD_PIP = re.compile(
    r"(ubuntu|debian|buildpack-deps):(1[0-4]\.|trusty|precise|wheezy|jessie|[78]\b)"
    r"|centos:(centos)?[56]\b"
)


def official(base: str) -> str:
    """Return the name of an official image, "" for others and where a variable decides."""
    name = re.split(r"[:@]", base.removeprefix("docker.io/").removeprefix("library/"))[0]
    return "" if "$" in name or "/" in name else name.lower()


def directory(where: Place) -> str | None:
    """Return the absolute working directory before an instruction, or None if not known."""
    current = "/" if official(where.stage.root) in _ROOT_IS_WORKDIR else None
    for ins in where.before:
        if ins.keyword == "WORKDIR" and not ins.onbuild:
            path = ins.text.strip("'\"")
            if path.startswith("/"):
                current = path
            elif current is not None:
                current = posixpath.join(current, path)
            if "$" in path:
                current = None
    return current


def _gnu_wget(where: Place) -> bool:
    """Return whether wget is GNU's: busybox has no --progress, and Fedora's is wget2."""
    root = where.stage.root.lower()
    if "fedora" in root:
        return False
    earlier = [i.text for i in where.before if i.keyword == "RUN"]
    kept = [text for text in earlier if not re.search(r"\bapk\s[^&;|]*\bdel\b", text)]
    script = "\n".join([*kept, where.ins.text])
    if re.search(r"\bapk\b", script) or "alpine" in root or "busybox" in root:
        return bool(re.search(r"\bapk\b[^&;|\n]*\badd\b[^&;|\n]*\swget(\s|$)", script))
    if re.search(r"\b(apt|apt-get|yum|microdnf|dnf|tdnf|zypper)\s", script):
        return True
    return official(root) in _GNU and "$" not in root


# ---------------------------------------------------------------- scripts


def _readable(where: Place) -> str:
    """Say why the script of a RUN cannot be edited, if so."""
    ins = where.ins
    if ins.keyword != "RUN":
        return "not a RUN"
    if where.file.escape != "\\":
        return "another escape character"
    if ins.heredoc is not None:
        return "a heredoc"
    if ins.array is not None:
        return "exec form"
    if where.stage.windows:
        return "Windows"
    if not _posix(where):
        return "SHELL is no POSIX shell"
    return "" if ins.script is not None else "the shell text is not understood"


def _posix(where: Place) -> bool:
    shells = [i.words for i in where.before if i.keyword == "SHELL" and not i.onbuild]
    if not shells:
        return True
    first = shells[-1][0] if shells[-1] else ""
    return first.rsplit("/", 1)[-1] in _POSIX_SHELLS


def offending(rule: str, ins: Instruction) -> list[Command]:
    """Return the commands of a RUN that a rule is about."""
    return [c for c in ins.script or () if rule in OFFENDS and OFFENDS[rule](c)]


def _editing(rule: str, objection: Callable[[Command, Place], str]) -> Precondition:
    """Make the precondition of a rule whose commands are edited one by one."""

    def check(where: Place) -> str:
        if reason := _readable(where):
            return reason
        found = offending(rule, where.ins)
        if not found:
            return "no such command by this reading"
        return next((why for c in found if (why := objection(c, where))), "")

    return check


_ASSENT = "-y --yes --assume-yes --assumeyes --assumeno --assume-no --dry-run --simulate".split()


def _asks(command: Command) -> bool:
    return not (command.has(*_ASSENT) or command.short("y") or command.short("qq"))


def _zypper_asks(command: Command) -> bool:
    quiet = command.has("-n", "--non-interactive", "--no-confirm", "-y")
    return command.action in ("install", "in", "remove", "rm", "source-install", "si", "patch",
                              "update", "up", "dist-upgrade", "dup") and not quiet  # fmt: skip


def _is_pip_install(command: Command) -> bool:
    words = command.words
    if len(words) > 2 and re.fullmatch(r"python[\d.]*", command.name) and words[1] == "-m":
        return re.fullmatch(r"pip[\d.]*", words[2]) is not None and "install" in words[3:]
    return re.fullmatch(r"pip[\d.]*", command.name) is not None and "install" in words[1:]


_APT_VERBS = "install reinstall source build-dep upgrade dist-upgrade full-upgrade satisfy".split()
_YUM_VERBS = "install groupinstall localinstall reinstall group update upgrade".split()


def _updates(command: Command) -> bool:
    return command.bare.name in ("apt", "apt-get", "aptitude") and "update" in command.words


OFFENDS: dict[str, Callable[[Command], bool]] = {
    "DL3004": lambda c: c.name == "sudo",
    "DL3009": lambda c: c.name in ("apt", "apt-get", "aptitude") and "update" in c.words,
    "DL3014": lambda c: c.name == "apt-get" and "install" in c.words and _asks(c),
    "DL3019": lambda c: c.name == "apk" and "add" in c.words and not c.has("--no-cache"),
    "DL3027": lambda c: c.name == "apt",
    "DL3030": lambda c: c.name == "yum" and c.action in _YUM_VERBS and _asks(c),
    "DL3032": lambda c: c.name == "yum" and bool({*c.words} & {*_YUM_VERBS}),
    "DL3034": lambda c: c.name == "zypper" and _zypper_asks(c),
    "DL3036": lambda c: c.name == "zypper" and bool({*c.words} & {"install", "in"}),
    "DL3038": lambda c: c.name in ("dnf", "microdnf") and c.action in _YUM_VERBS and _asks(c),
    "DL3040": lambda c: c.name in ("dnf", "microdnf") and bool({*c.words} & {*_YUM_VERBS}),
    "DL3042": lambda c: _is_pip_install(c) and not c.has("--no-cache-dir"),
    "DL3046": lambda c: c.name == "useradd" and not (c.has("--no-log-init") or c.short("l")),
    "DL3047": lambda c: c.name == "wget" and not (
        c.has("--progress", "--quiet", "--no-verbose", "-nv", "--append-output", "--output-file")
        or any(re.match(r"-[a-zA-Z]*[qoa]|-nv", w) for w in c.words)
    ),
    "DL3060": lambda c: c.name == "yarn" and c.action in ("install", ""),
}  # fmt: skip


def _answered(command: Command, where: Place) -> str:
    if command.fed:
        return "a pipe answers"
    if re.search(r"(^|[^<>&\d])\d*<", command.redirects):
        return "a file answers"
    return "only a rehearsal" if command.has("-s", "--print-uris", "--downloadonly") else ""


def _apk_cache(command: Command, where: Place) -> str:
    if command.has("--cache-dir", "--no-network", "--cache-max-age"):
        return "an option about the cache"
    everything = [i.text for i in where.file.instructions]
    return "the cache is set up" if any("/etc/apk/cache" in t for t in everything) else ""


_TWINS = set(
    "install remove purge update autoremove autopurge autoclean clean source build-dep download"
    " upgrade full-upgrade dist-upgrade changelog satisfy reinstall".split()
)


def _twin(command: Command, where: Place) -> str:
    verbs = [w for w in command.words[1:] if w in _TWINS]
    return "" if verbs else f"`apt {command.action}` has no twin"


def _pip_cache(command: Command, where: Place) -> str:
    if command.has("--no-cache"):
        return "there is no cache already, in an abbreviation"
    if command.has("--cache-dir", "--download-cache"):
        return "a cache is asked for"
    if _OLD_PIP.search(where.stage.root):
        return "pip may be too old"
    for ins in where.file.instructions:
        if ins.keyword in ("COPY", "VOLUME", "ENV", "ARG") and (
            ".cache" in ins.text or re.search(r"PIP_(NO_|DOWNLOAD_)?CACHE", ins.text)
        ):
            return "the cache is used"
    return "the cache is mounted" if any("/pip" in f for f in where.ins.flags) else ""


def _wget(command: Command, where: Place) -> str:
    if re.search(r"2>|&>|>&", command.redirects):
        return "its log goes elsewhere"
    if command.has("--help", "--version", "-V", "-h"):
        return "nothing is fetched"
    return "" if _gnu_wget(where) else "wget may not be GNU's"


# ---------------------------------------------------------------- cleaning up


def _appendable(where: Place) -> str:
    """Say why a last command could be missed by a script, or must not be there."""
    if reason := _readable(where):
        return reason
    if not where.file.shipped(where.stage):
        return "the layers end in no image"
    for command in where.ins.script or ():
        bare = command.bare
        if bare.name in ("exit", "return") and not command.nested:
            code = bare.words[1] if len(bare.words) > 1 else "0"
            if not code.isdigit() or code == "0":
                return "the RUN may end early"
        if command.words[:1] == ("exec",) and len(command.words) > 1:
            return "the RUN may end early"
        if command.name == "set" and "+e" in command.words:
            return "set +e"
    if re.search(r"(?<![&>|<\\])&(?![&>\d])", _unstrung(where.ins.text)):
        return "something runs in the background"
    return ""


def _unstrung(script: str) -> str:
    return re.sub(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"", "''", script)


_APT_USE = re.compile(
    r"\b(?:apt|apt-get|aptitude)\s+(?:-\S+\s+)*"
    r"(?:install|source|build-dep|upgrade|dist-upgrade|full-upgrade|satisfy|download)\b"
    r"|\bapt-(?:cache|file)\s|\baptitude\s|unattended-upgrade|\brosdep\s+install|\bmk-build-deps"
    r"|--with-deps|playwright\s+install-deps|\bgdebi\s"
)
_APT_UPDATE = re.compile(r"\b(?:apt|apt-get|aptitude)\s+(?:-\S+\s+)*update\b")
_CLEANED = re.compile(r"rm\s[^&;|]*/var/lib/apt/(lists)?|apt(-get)?\s+(-\S+\s+)*dist-?clean"
                      r"|find\s+/var/lib/apt/lists[^&;|]*-delete")  # fmt: skip


def _needs_lists(rest: list[Instruction], children: list[Stage], file: Dockerfile) -> str:
    """Say which later instruction uses apt's lists without an update of its own, if any."""
    for ins in rest:
        if ins.keyword not in ("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK"):
            continue
        text = f"{' '.join(ins.words)}\n{ins.heredoc or ''}"
        update, use = _APT_UPDATE.search(text), _APT_USE.search(text)
        if use and (not update or use.start() < update.start()):
            return f"line {ins.line} needs the lists"
        sure = ins.script is None or any(_updates(c) and c.certain for c in ins.script)
        if update and sure and ins.keyword == "RUN" and not ins.onbuild:
            return ""
    for child in children:
        if why := _needs_lists(child.instructions, file.children(child), file):
            return why
    return ""


def _only_updates(ins: Instruction) -> bool:
    script = ins.script or ()
    return bool(script) and all(_updates(c) or c.name == "set" for c in script)


def _apt_lists(where: Place) -> str:
    if reason := _appendable(where):
        return reason
    if where.ins.onbuild:
        return "ONBUILD: what follows is not known"
    if not any(_updates(c) for c in where.ins.script or ()):
        return "no update in this RUN"
    if _CLEANED.search(where.ins.text):
        return "cleaned in another way"
    if any("/var/lib/apt" in flag for flag in where.ins.flags):
        return "the lists are mounted"
    if where.stage.root.startswith("gcr.io/oss-fuzz-base/"):
        return "what the base runs installs without an update (google/oss-fuzz PR 16125)"
    rest = where.after
    if _only_updates(where.ins) and rest and (following := rest[0]).keyword == "RUN":
        script = [c for c in following.script or () if c.name != "set"]
        installs = script and script[0].bare.name in ("apt", "apt-get")
        if installs and following.flags == where.ins.flags and not following.onbuild:
            rest = rest[1:]  # the two are joined, then cleaned
    return _needs_lists(rest, where.file.children(where.stage), where.file)


def _package_cache(rule: str) -> Precondition:
    def check(where: Place) -> str:
        if reason := _appendable(where):
            return reason
        found = offending(rule, where.ins)
        if not found:
            return "no such command by this reading"
        script = where.ins.script or ()
        last = max(at for at, c in enumerate(script) if any(c is one for one in found))
        names = {c.name for c in found}
        if any(c.name in names and "clean" in c.words and c.certain for c in script[last:]):
            return "cleaned already: the linter misreads it"
        if any(c.has("--installroot", "--root", "-R") for c in found):
            return "another root"
        if any("cache" in flag for flag in where.ins.flags):
            return "the cache is mounted"
        later = [i.text for s in where.file.stages for i in s.instructions if i.keyword == "RUN"]
        offline = re.compile(r"\b(yum|dnf|microdnf|zypper)\s[^&;|]*(\s-C\b|--cacheonly|--offline)")
        return "the cache is used" if any(map(offline.search, later)) else ""

    return check


def _yarn_one(where: Place) -> str:
    if reason := _appendable(where):
        return reason
    everything = "\n".join(i.text for i in where.file.instructions)
    if re.search(r"\.yarn|corepack|berry|yarn\s+set\s+version|yarn@[2-9]", everything):
        return "perhaps not yarn 1"
    return "" if offending("DL3060", where.ins) else "no such command by this reading"


# ---------------------------------------------------------------- other instructions


def _holds(where: Place) -> str:
    return ""


def _absolute_workdir(where: Place) -> str:
    if where.ins.onbuild:
        return "ONBUILD: the directory is not known"
    if where.stage.windows or where.file.escape != "\\":
        return "Windows"
    if where.ins.keyword == "WORKDIR":
        path = where.ins.text.strip("'\"")
        if path.startswith(("/", "$")):
            return "absolute, in quotes" if path.startswith("/") else "it begins with a variable"
    return "" if directory(where) else "the directory before is not known"


def _copy_destination(where: Place) -> str:
    words = where.ins.words
    if not words or "$" in words[-1]:
        return "a variable in the destination"
    return _absolute_workdir(where)


def _plain_sources(where: Place) -> str:
    for flag in where.ins.flags:
        if flag.split("=")[0] in ("--checksum", "--unpack", "--keep-git-dir"):
            return f"{flag.split('=')[0]} is ADD's own"
    for source in where.ins.words[:-1]:
        source = source.strip("'\"")
        if "$" in source:
            return "a variable in a source"
        if re.match(r"(?i)https?://|git@|git://|ssh://|ftp://", source) or source.endswith(".git"):
            return "an address"
        name = source.rstrip("/").rsplit("/", 1)[-1]
        if re.search(r"[*?\[]", name):
            suffix = re.search(r"\.\w+$", name)
            if not suffix or _ARCHIVE.search(suffix[0]):
                return "a pattern may match an archive"
        elif _ARCHIVE.search(name):
            return "an archive by its name"
    return ""


def _slash(where: Place) -> str:
    *sources, destination = where.ins.words or [""]
    if "$" in destination:
        return "a variable in the destination"
    plain = [source for source in sources if not re.search(r"[*?\[$]", source)]
    return "" if len(plain) > 1 else "one file may be all that the patterns match"


def _label_is_free(where: Place) -> str:
    key = "org.opencontainers.image.authors"
    everything = [ins for stage in where.stage.lineage for ins in stage.instructions]
    taken = any(ins.keyword == "LABEL" and key in ins.text for ins in everything)
    return "the label is there already" if taken else ""


def _default_platform(where: Place) -> str:
    given = any(re.match(r"TARGETPLATFORM\s*=", i.text) for i in where.file.globals)
    return "TARGETPLATFORM has a value of its own" if given else ""


def _literal_ports(where: Place) -> str:
    return "a variable in a port" if "$" in where.ins.text else ""


def _key_and_value(where: Place) -> str:
    if where.file.escape != "\\":
        return "another escape character"
    rows = where.file.lines[where.ins.line - 1 : where.ins.end]
    if len(rows) > 1 and len(rows[0].split()) < 4 and rows[1].lstrip().startswith("#"):
        return "a comment before the value"
    value = _first_word(where.ins.text)[1]
    bare = re.sub(r"\\.", "", value)
    if not value or value.startswith("="):
        return "no plain value"
    quotes = re.sub(r"'[^']*'|\"[^\"]*\"", "", bare)
    return "a quote is left open" if "'" in quotes or '"' in quotes else ""


def _free_name(where: Place) -> str:
    name = where.stage.name.lower()
    same = [s for s in where.file.stages if s.name.lower() == name]
    return "two stages have the name" if len(same) > 1 else ""


# ---------------------------------------------------------------- what is started, and as whom

_STARTERS = "CMD ENTRYPOINT HEALTHCHECK".split()
_OWN = set(
    ". : [ alias bg bind break builtin caller cd command compgen complete continue declare dirs"
    " disown echo enable eval exit export false fc fg getopts hash help history jobs kill let local"
    " logout mapfile popd printf pushd pwd read readarray readonly return set shift shopt source"
    " suspend test times trap true type typeset ulimit umask unalias unset wait time if for while"
    " until case function".split()
)
_INITS = re.compile(r"(.*/)?(tini|tini-static|dumb-init|catatonit)$")
_LOOKS = set(
    "cassandra ghost haproxy mariadb memcached mongo mysql nginx postgres rabbitmq redis redmine"
    " wordpress".split()
)
_STARTS_AS_ROOT = (_ROOT_IS_WORKDIR | _GNU | {"mcr.microsoft.com/dotnet/sdk"}) - {"scratch"}
_HAS_BASH = (_GNU | {"fedora", "archlinux"}) - {"busybox"}
_NUMBERS = {"node": "node", "nonroot": "gcr.io/distroless/", "bun": "oven/bun"}


def _needs_shell(text: str) -> str:
    """Say why a command in shell form needs its shell, if so."""
    text = re.sub(r"^exec\s+", "", text)
    if re.search(r"\\|\"[^\"]*[$`\\]", text):
        return "an escape, or a variable in quotes"
    bare = _unstrung(text)
    if re.search(r"[$`*?\[\]{}~<>();&|!#]", bare):
        return "the shell expands, redirects or runs several commands"
    first = bare.split()[0] if bare.split() else ""
    if not first or first in _OWN or "=" in first or "'" in first:
        return "the shell runs it itself, or sets a variable"
    return "a quote is left open" if bare.replace("''", "").count("'") else ""


def _plain_shell(where: Place) -> str:
    shells = [i.words for i in where.before if i.keyword == "SHELL" and not i.onbuild]
    if where.stage.windows or where.file.escape != "\\":
        return "Windows"
    known = re.compile(r"(.*/)?(sh|bash|ash|dash)( -[ceu]*o?[ceu]*| pipefail)+$")
    if shells and not known.match(" ".join(shells[-1])):
        return "SHELL does more than -c"
    return "bash reads BASH_ENV" if "BASH_ENV" in "\n".join(where.file.lines) else ""


def _last(stage: Stage, keyword: str) -> Instruction | None:
    own = [i for i in stage.instructions if i.keyword == keyword and not i.onbuild]
    return own[-1] if own else None


def _exec_form(where: Place) -> str:
    ins = where.ins
    if ins.onbuild:
        return "ONBUILD: what it is beside is not known"
    if ins is not _last(where.stage, ins.keyword):
        return "another one takes its place"
    if reason := _plain_shell(where) or _needs_shell(ins.text):
        return reason
    if ins.keyword == "ENTRYPOINT":
        family = [where.stage, *where.file.children(where.stage)]
        cmds = [cmd for stage in family if (cmd := _last(stage, "CMD"))]
        return "the CMD, ignored so far, would be its arguments" if cmds else ""
    entries = [e for stage in where.stage.lineage[::-1] if (e := _last(stage, "ENTRYPOINT"))]
    if not entries:
        looks = official(where.stage.root) in _LOOKS
        return "the base image's ENTRYPOINT looks at its arguments" if looks else ""
    words = entries[0].array
    if words is None:
        return "the ENTRYPOINT ignores it"
    return "" if not words or _INITS.match(words[0]) else "the ENTRYPOINT gets other arguments"


def _user(where: Place) -> str:
    users = [i.text for i in where.before if i.keyword == "USER" and not i.onbuild]
    return users[-1].split(":")[0] if users else ""


def _needless_sudo(command: Command, where: Place) -> str:
    user = _user(where)
    if user not in ("root", "0") and (user or official(where.stage.root) not in _STARTS_AS_ROOT):
        return "root may not be the user in force"
    words = list(command.words[1:])
    while words and re.match(r"-[EHn]+$|--preserve-env$|--set-home$", words[0]):
        words.pop(0)
    if not words or words[0].startswith("-") or re.search(r"[=$`]", words[0]) or words[0] in _OWN:
        return "sudo does more than run a program as root"
    return "ONBUILD" if where.ins.onbuild else ""


_STOPS_EARLY = re.compile(
    r"\|&?\s*(sudo\s+)?((head|less|more|true|read|dd|:)(?![\w-])"
    r"|[efz]?grep\b[^|]*\s(-[a-zA-Z]*[qmlL]|--quiet|--silent|--max-count|--files-with)"
    r"|sed\b[^|]*(?<![a-z])[qQ](?![a-z])|[gmn]?awk\b[^|]*\bexit\b)"
)
_FAILS_HARMLESSLY = re.compile(
    r"(^|[|;&({`]|\b(then|do|else|sudo)\b)\s*"
    r"(yes|[efz]?grep|diff|cmp|expr|which|ldd|pgrep|command|type|test|\[)\s[^|;&]*\|(?!\|)"
)
_CHOOSES = re.compile(
    r"\b(if|elif|while|until|!)\s[^;]*[^|]\|(?!\|)|[^|]\|(?!\|)[^;|]*(\|\||&&)[^;]*;"
    r"|(\$\(|`)[^)`]*\|"
)
_OTHER_IN_BASH = re.compile(
    r"\becho\s+-(?!n\s)|\becho\b[^;&|]*\\|\bprintf\b[^;&|]*(\\[xuUeE]|%q)|\[[^\]]*==|\$'|\$\""
    r"|\b(source|declare|typeset|pushd|popd|shopt|let|time)\s"
)


def _pipefail(where: Place) -> str:
    if where.ins.onbuild or any(i.keyword == "SHELL" for i in where.before):
        return "the SHELL of the file, or of a child"
    if reason := _readable(where):
        return reason
    base = official(where.stage.root)
    alpine = base == "alpine" or (base in _HAS_BASH and "alpine" in where.stage.root)
    if not alpine and (base not in _HAS_BASH or "$" in where.stage.root):
        return "whether the image has bash is not known"
    children: list[Stage] = [where.stage]
    for child in children:
        children += where.file.children(child)
    for ins in (i for stage in children for i in stage.instructions):
        if ins.onbuild:
            return "ONBUILD"
        if ins.keyword in _STARTERS and ins.array is None and ins.text.upper() != "NONE":
            return f"the shell of {ins.keyword} would be another one"
        if ins.keyword != "RUN" or ins.array is not None or ins.line < where.ins.line:
            continue
        if ins.script is None:
            return "a heredoc, or a script that is not understood"
        if _STOPS_EARLY.search(ins.text):
            return "a reader may stop early"
        if _FAILS_HARMLESSLY.search(ins.text):
            return "a command in front of a pipe may fail harmlessly"
        if _CHOOSES.search(ins.text):
            return "a pipe may choose what runs"
        if not alpine and _OTHER_IN_BASH.search(ins.text):
            return "bash does something else"
        if not alpine and re.search(r"\bset\s+-\w*e", ins.text) and "$(" in ins.text:
            return "set -e and a substitution"
    return ""


def _known_number(where: Place) -> str:
    name, _, group = where.ins.text.partition(":")
    if name == "root":
        return "root is 0 everywhere"
    if not re.fullmatch(r"[a-z_][\w.-]*", name) or not re.fullmatch(r"[\w.-]*", group):
        return "no plain name"
    script = [c for i in where.before if i.keyword == "RUN" for c in i.script or ()]
    texts = "\n".join(i.text for i in where.before)
    if re.search(r"usermod|userdel|deluser|groupmod|/etc/passwd|--non-unique", texts):
        return "the number may be changed"
    made = [c.bare for c in script if c.bare.name in ("useradd", "adduser") and c.words[-1] == name]
    numbers = [m[1] for c in made if (m := re.search(r"\s(?:-\w*u|--uid)[ =]?(\d+)\s", c.text))]
    shipped = where.stage.root.startswith(_NUMBERS.get(name, "\0")) and not made
    if not shipped and (len(made) != 1 or not numbers or not all(c.certain for c in made)):
        return "the number is not known"
    if not group and any(i.keyword == "WORKDIR" for i in where.after):
        return "WORKDIR may make a folder of the user's group"
    return ""


_ENTERS = re.compile(r"((?:set\s+-\w+\s*(?:&&|;)\s*)*)cd\s+([\w@%+=,./-]+)\s*(&&|;)\s*(\S.*)", re.S)
_ASKS_NOT = ("ARG", "ENV", "EXPOSE", "LABEL", "USER")


def _entered_first(where: Place) -> str:
    """Hold for `cd folder && ...` alone, where the folder to go back to is known and stays."""
    if reason := _readable(where):
        return reason
    found = _ENTERS.fullmatch(where.ins.text)
    if where.ins.onbuild or not found:
        return "it is not the first command, or behind ONBUILD"
    options, folder, joint, rest = found.groups()
    fails = joint == "&&" or re.search(r"-\w*e", options)
    if not fails or (joint == "&&" and re.search(r"\|\||;|(?<!&)&(?!&)", rest)):
        return "what follows may run where it fails"
    if folder.startswith("-") or {".", ".."} & set(folder.split("/")):
        return "the folder depends on another one"
    if re.search(r"\b(?:cd|pushd|popd|pwd|PWD|OLDPWD|exit|exec|trap|kill|wait)\b|^\[", rest):
        return "the folder or the shell is asked for, or left"
    if any("mount" in flag for flag in where.ins.flags):
        return "it may be a mount"
    back = directory(where)
    later = (i for i in where.after if i.keyword not in _ASKS_NOT)
    behind = next(later, None)
    if behind and behind.keyword == "WORKDIR" and behind.text.startswith("/"):
        back = back or "/"
    if not back:
        return "the folder to go back to is not known"
    return "it may be deleted" if back != "/" and re.search(r"\b(?:rm|mv|rmdir)\b", rest) else ""


PRECONDITIONS: dict[str, Precondition] = {
    "DL3000": _absolute_workdir,
    "DL3003": _entered_first,
    "DL3004": _editing("DL3004", _needless_sudo),
    "DL3009": _apt_lists,
    "DL3012": _holds,
    "DL3014": _editing("DL3014", _answered),
    "DL3019": _editing("DL3019", _apk_cache),
    "DL3020": _plain_sources,
    "DL3021": _slash,
    "DL3025": _exec_form,
    "DL3027": _editing("DL3027", _twin),
    "DL3030": _editing("DL3030", _answered),
    "DL3032": _package_cache("DL3032"),
    "DL3034": _editing("DL3034", _answered),
    "DL3036": _package_cache("DL3036"),
    "DL3038": _editing("DL3038", _answered),
    "DL3040": _package_cache("DL3040"),
    "DL3042": _editing("DL3042", _pip_cache),
    "DL3045": _copy_destination,
    "DL3046": _editing("DL3046", lambda command, where: ""),
    "DL3047": _editing("DL3047", _wget),
    "DL3060": _yarn_one,
    "DL3065": _default_platform,
    "DL3066": _known_number,
    "DL4000": _label_is_free,
    "DL4003": _holds,
    "DL4004": _holds,
    "DL4006": _pipefail,
    "ConsistentInstructionCasing": _holds,
    "ExposeInvalidFormat": _literal_ports,
    "ExposeProtoCasing": _literal_ports,
    "FromAsCasing": _holds,
    "JSONArgsRecommended": _exec_form,
    "LegacyKeyValueFormat": _key_and_value,
    "MaintainerDeprecated": _label_is_free,
    "MultipleInstructionsDisallowed": _holds,
    "NoEmptyContinuation": _holds,
    "RedundantTargetPlatform": _default_platform,
    "StageNameCasing": _free_name,
    "WorkdirRelativePath": _absolute_workdir,
}
_SAME = [
    {"DL4000", "MaintainerDeprecated"},
    {"DL3065", "RedundantTargetPlatform"},
    {"DL3000", "WorkdirRelativePath"},
    {"DL3025", "JSONArgsRecommended"},
    {"DL3012", "DL4003", "DL4004", "MultipleInstructionsDisallowed"},
]


def verdict(file: Dockerfile, rule: str, line: int) -> str:
    """Return "" if the finding of a rule can be mended mechanically, or the reason why not."""
    where = place(file, line)
    if where is None:
        return "no instruction is on this line"
    alike = {rule}.union(*(group for group in _SAME if rule in group))
    if where.file.ignored(where.ins) & {*alike, "all"}:
        return "an ignore comment"
    return PRECONDITIONS[rule](where)


def weight(file: Dockerfile, rule: str, line: int) -> int:
    """Return how many commands a finding is about: joined RUN lines make one finding of several."""
    where = place(file, line)
    return max(1, len(offending(rule, where.ins))) if where else 1
