"""What a command asks a package manager to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

from refactor.facts.images import Image
from refactor.facts.managers import Manager, manager_of, managers
from refactor.knowledge import fits, table
from refactor.shell import Command as Command
from refactor.shell import Word as Word

# Programs that run the command after their own options, and those options that take a value.
_WRAPPERS: dict[str, frozenset[str]] = {
    "sudo": frozenset({"-u", "-g", "-h", "-p", "-C", "-T", "-r", "-t", "-U", "-D", "-R"}),
    "env": frozenset({"-u", "-C", "-S"}),
    "eatmydata": frozenset(),
    "nice": frozenset({"-n"}),
    "time": frozenset({"-f", "-o"}),
    "exec": frozenset({"-a"}),
    "command": frozenset(),
}

_DISTRIBUTIONS = frozenset({"apt", "apt-get", "yum", "dnf", "microdnf", "zypper"})


class Operation(NamedTuple):
    """`manager action arguments`; the words stand in the script.

    `program` is the word of the manager itself, behind wrappers such as sudo.
    """

    manager: str
    action: str
    program: Word
    action_word: Word
    options: tuple[str, ...]
    arguments: tuple[Word, ...]
    flag_words: tuple[Word, ...]
    wrapped: bool

    @property
    def flag_place(self) -> Word:
        """The word behind which a flag is written: the action, or a `-y` or `-q` after it."""
        place = self.action_word
        for word in self.flag_words:
            if not re.match(r"-[yq]+\Z", word.text):
                break
            place = word
        return place

    @property
    def row(self) -> Manager:
        """What the table says of the manager."""
        return managers()[self.manager]

    def has(self, *names: str) -> bool:
        """Whether one of the options is given; single letters are found in clusters."""
        return any(_means(option, name) for option in self.options for name in names)


def _means(option: str, name: str) -> bool:
    if option == name or option.startswith(name + "="):
        return True
    clustered = len(name) == 2 and re.match(r"-[^-oct]", option)  # -o, -c and -t take a value
    return bool(clustered) and name[1] in option.partition("=")[0]


def operation(command: Command) -> Operation | None:
    """Return what a command asks of a package manager, if it is one."""
    words, wrapped = unwrap(command.words)
    if len(words) < 2 or words[0].literal is None:
        return None
    name = words[0].literal.rpartition("/")[2]
    if name.startswith("python") and [w.literal for w in words[1:3]] == ["-m", "pip"]:
        name, words = "pip", words[2:]
    found = manager_of("pip" if _is_versioned_pip(name) else name)
    return _operation(found, words[0], words[1:], wrapped) if found else None


def _is_versioned_pip(name: str) -> bool:
    return name.startswith("pip") and name[3:].replace(".", "").isdigit()


def unwrap(words: tuple[Word, ...]) -> tuple[tuple[Word, ...], bool]:
    """Return the words of the command that sudo and the like run, and whether there was one."""
    wrapped = False
    while words and (name := words[0].literal) in _WRAPPERS:
        assert name is not None
        wrapped = True
        values = _WRAPPERS[name]
        words = words[1:]
        while words and (text := words[0].text) and (text[0] == "-" or _assigns(text, name)):
            words = words[2:] if text in values else words[1:]
    return words, wrapped


def program(command: Command) -> str:
    """Return the program that a command runs, behind sudo and the like; empty if not known."""
    words, _ = unwrap(command.words)
    return (words[0].literal or "") if words else ""


def _assigns(text: str, wrapper: str) -> bool:
    return wrapper in ("env", "sudo") and "=" in text and text[0] not in "=-/"


def _operation(
    manager: Manager, program: Word, words: tuple[Word, ...], wrapped: bool
) -> Operation | None:
    options: list[str] = []
    arguments: list[Word] = []
    action: Word | None = None
    name = ""
    skip = False
    for word in words:
        text = word.text if word.literal is None else word.literal
        if skip:
            options.append(text)
            skip = False
        elif action is None and manager.name == "pacman" and _PACMAN_ACTION.match(text):
            action, name = word, text[:2]
        elif text.startswith("-") and text != "-":
            options.append(text)
            skip = text in manager.values
        elif action is None:
            action, name = word, text
        else:
            arguments.append(word)
    if action is None or action.literal is None:
        return None
    behind = words[words.index(action) + 1 :]
    flags = takewhile(lambda word: word.text.startswith("-"), behind)
    return Operation(
        manager.name, name, program, action, tuple(options), tuple(arguments), tuple(flags), wrapped
    )


_PACMAN_ACTION = re.compile(r"-[DFQRSTU]")


@lru_cache(maxsize=32768)
def argv_operation(argv: tuple[str, ...]) -> Operation | None:
    """Return what a command's words ask of a package manager."""
    return operation(command_of(argv))


def manager_name(argv: tuple[str, ...]) -> str:
    """Return the package manager that fills or empties caches here; empty if none does."""
    found = argv_operation(argv)
    if found is None:
        return ""
    return "apt" if found.manager in APT else found.manager


def command_of(argv: tuple[str, ...]) -> Command:
    """Return a command of words that are known."""
    return Command(0, 0, (), tuple(Word(text, 0, 0, text) for text in argv), ())


APT = frozenset({"apt", "apt-get", "aptitude"})
LISTS = "/var/lib/apt/lists"
# Actions that read the package lists; `apt-get download` and the like included.
_NEEDS_LISTS = frozenset(
    "install reinstall build-dep source download upgrade dist-upgrade full-upgrade safe-upgrade "
    "changelog satisfy show search policy list".split()
)


def updates_lists(found: Operation | None) -> bool:
    """Whether an operation fetches apt's package lists."""
    return found is not None and found.manager in APT and found.action == "update"


def needs_lists(found: Operation | None) -> bool:
    """Whether an operation reads apt's package lists."""
    return found is not None and found.manager in APT and found.action in _NEEDS_LISTS


def cleans_lists(argv: tuple[str, ...]) -> bool:
    """Whether a command deletes apt's package lists."""
    if not argv:
        return False
    name = argv[0].rpartition("/")[2]
    if name == "sudo":
        return cleans_lists(argv[1:])
    if name == "rm":
        return any(_is_lists(a) for a in argv[1:])
    if name in APT:
        return any(a in ("distclean", "dist-clean") for a in argv[1:])
    return name == "find" and any(_is_lists(a) for a in argv[1:]) and "-delete" in argv


def fetches_index(found: Operation | None) -> bool:
    """Whether an operation leaves apk's index in the image."""
    if found is None or found.manager != "apk" or found.has("--no-cache"):
        return False
    return found.action == "update" or found.has(*APK_UPDATES)


def needs_index(found: Operation | None) -> bool:
    """Whether an operation reads apk's index, and does not fetch it itself."""
    if found is None or found.manager != "apk" or found.has("--no-cache", *APK_UPDATES):
        return False
    return found.action in ("add", "upgrade", "fix", "search", "fetch", "list", "policy")


APK_UPDATES = ("-U", "--update", "--update-cache")
_CACHE_PATHS = re.compile(
    r"(?:/var/lib/apt/lists|/var/cache/(?:apk|apt|apt/archives|yum|dnf|libdnf5|zypp|pacman/pkg|tdnf)|"
    r"/etc/apk/cache)(?:/\*|/)?\Z"
)


@lru_cache(maxsize=8192)
def cleans_index(argv: tuple[str, ...]) -> bool:
    """Whether a command deletes apk's index."""
    words, _ = unwrap(command_of(argv).words)
    return (
        bool(words)
        and words[0].text.endswith("rm")
        and any(re.match(r"/(?:var/cache|etc)/apk|/var/cache/\*", word.text) for word in words[1:])
    )


_GO_CACHES = frozenset({"-cache", "-modcache", "-testcache", "-fuzzcache"})


@lru_cache(maxsize=8192)
def only_cleans(argv: tuple[str, ...]) -> bool:
    """Whether all that a command does is to delete caches of package managers."""
    words, _ = unwrap(command_of(argv).words)
    if words and words[0].text == "rm":
        paths = [word.text for word in words[1:] if not word.text.startswith("-")]
        return bool(paths) and all(map(_CACHE_PATHS.match, paths))
    found = argv_operation(argv)
    if found is None:
        return False
    if found.manager in APT:
        return found.action in ("clean", "autoclean", "distclean", "dist-clean")
    rest = [word.text for word in found.arguments]
    if found.action == "cache":
        return found.action in found.row.cleaned and rest[:1] == ["clean"]
    if found.manager == "go":
        options = set(found.options)
        return found.action == "clean" and not rest and set() < options <= _GO_CACHES
    return found.action_word.text in found.row.cleaned


def _is_lists(path: str) -> bool:
    """Whether a path or pattern covers the lists: they themselves, a folder above, or all in it."""
    path = path.strip("\"'")
    for everything in ("/*_*", "/*"):  # the names of lists have an underscore
        path = path.removesuffix(everything)
    path = path.rstrip("/")
    whole = ("/var/lib", "/var/lib/apt", LISTS)
    return any(fits(part, path) for part in whole) or (
        path.startswith("/var/lib/") and "{" in path and "apt" in path
    )


# apt and apt-get do the same for these; `apt upgrade` also installs new packages, so it is absent.
SAME_IN_APT_GET = frozenset(
    "install reinstall remove purge update autoremove autopurge clean autoclean source build-dep "
    "download".split()
)


def asks_apt(text: str) -> bool:
    """Whether a text that is not read as shell seems to install with apt."""
    return bool(re.search(r"\bapt(?:-get)?\W[^|;&]*\binstall\b", text))


_ASKS = re.compile(
    r"\b(?:apt|apt-get|yum|dnf5?|microdnf|tdnf|zypper|apk|conda|mamba|npm|yarn|composer)\W[^|;&]*"
    r"\b(?:install|add|ci)\b|\bpacman\W[^|;&]*-S"
)


def asks_to_install(text: str, *names: str) -> bool:
    """Whether a text that is not read as shell seems to install packages (with one of these)."""
    found = _ASKS.search(text)
    return bool(found) and (not names or any(re.search(rf"\b{name}\b", text) for name in names))


def with_words(command: Command, added: Mapping[Word, list[str]]) -> str:
    """Return a command's line with words put behind some of its words."""
    words = [*(w.text for w in command.assignments)]
    for word, argument in zip(command.words, command.argv, strict=True):
        words += (argument, *added.get(word, ()))
    return " ".join(words)


def installs_names(op: Operation) -> bool:
    """Whether an operation installs packages by name, whose order says nothing."""
    return (op.manager in _DISTRIBUTIONS and op.action == "install") or (
        op.manager == "apk" and op.action == "add"
    )


def is_plain_name(text: str) -> bool:
    """Whether a word names a package to install: no variable, file, pattern or removal."""
    return re.fullmatch(r"[A-Za-z0-9@][\w.+:@=~-]*[\w+]", text) is not None


def with_sorted(command: Command, names: tuple[Word, ...]) -> str:
    """Return a command's line with some neighbouring words sorted."""
    first = command.words.index(names[0])
    argv = list(command.argv)
    argv[first : first + len(names)] = sorted(argv[first : first + len(names)])
    return " ".join((*(word.text for word in command.assignments), *argv))


def with_program(command: Command, program: Word, text: str) -> str:
    """Return a command's line with another program."""
    words = [*(w.text for w in command.assignments)]
    for word, argument in zip(command.words, command.argv, strict=True):
        words.append(text if word == program else argument)
    return " ".join(words)


class Recommended(NamedTuple):
    """Recommended packages to keep; packages that cannot do without; packages not in the table."""

    keep: tuple[str, ...]
    refused: tuple[str, ...]
    unknown: tuple[str, ...]


_BUILD_ESSENTIAL = frozenset({"gcc", "g++", "make", "libc6-dev"})  # it depends on them


def recommended(names: list[str]) -> Recommended:
    """Look packages up in the table of recommendations."""
    rows = _recommended_rows()
    keep: dict[str, None] = {}
    refused: list[str] = []
    unknown: list[str] = []
    for name in map(bare_name, names):
        if name not in rows:
            unknown.append(name)
        elif rows[name] == "-":
            refused.append(name)
        else:
            keep.update(dict.fromkeys(rows[name].split()))
    if "build-essential" in names:
        keep = {name: None for name in keep if name not in _BUILD_ESSENTIAL}
    return Recommended(tuple(keep), tuple(refused), tuple(unknown))


# Names that every release has had for long, and tags of releases that the table was made for.
_TIMELESS = frozenset(
    "ca-certificates gcc g++ make libc6-dev build-essential openssh-client patch curl git unzip "
    "fonts-liberation xauth autoconf automake fakeroot ghostscript cargo".split()
)
_OLD_RELEASE = re.compile(
    r"wheezy|jessie|stretch|buster|precise|trusty|xenial|bionic|ubuntu1[0-8]|(?:^|[^\d.])1[0-8]\.(?:04|10)"
)
_NEW_RELEASE = re.compile(r"bullseye|bookworm|trixie|focal|jammy|noble|(?:^|[^\d.])2\d\.(?:04|10)")


def has_names(image: Image, names: list[str]) -> bool:
    """Whether a base's release may have packages of these names: an old one has not."""
    return set(names) <= _TIMELESS or not _OLD_RELEASE.search(image.reference)


def release_assumption(image: Image, names: list[str]) -> tuple[str, ...]:
    """Return what is assumed of the release, if its name does not tell."""
    doubtful = sorted(set(names) - _TIMELESS)
    if not doubtful or _NEW_RELEASE.search(image.reference):
        return ()
    return (f"the base's release has the packages {', '.join(doubtful)}",)


def bare_name(package: str) -> str:
    """Return a package's name without version, release and architecture."""
    return re.split(r"[=:/]", package, maxsplit=1)[0]


@lru_cache(maxsize=1)
def _recommended_rows() -> dict[str, str]:
    return {row["package"]: row["keep"] for row in table("apt_recommends")}
