"""Requirement files as pip reads them, and what a requirement names in the image."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator

from refactor.facts.installs.options import parse
from refactor.facts.installs.reading import MISSING, OPEN, PROJECT, Look, refuse

MAX_FILES = 50
_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_REMOTE = re.compile(r"(?:https?|ftp)://|(?:git|hg|svn|bzr)\+(?:https?|ssh|git|svn)(?:://|@)", re.I)
_LOCAL = re.compile(r"(?:[a-z]+\+)?file:(?://(?:localhost)?(?=/))?", re.I)
_ARCHIVE = re.compile(r"\.(?:whl|zip|tar|tgz|tbz|tlz|txz|tar\.(?:gz|bz2|lz|lzma|xz))\Z", re.I)
_NAMED = re.compile(
    r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?[ \t]*(?:\[[\w., \t-]*\])?[ \t]*"
    r"(?:\(?(?:[<>=!~]=?=?[ \t]*[\w.*+!-]+[ \t]*,?[ \t]*)*\)?)?\Z",
    re.ASCII,
)
_EXTRAS = re.compile(r"(.+?)\[[^\[\]/]*\]\Z")


def read_file(look: Look, path: str, seen: set[str] | None = None) -> None:
    """Note a requirement or constraint file, and the files that it names."""
    seen = set() if seen is None else seen
    if _REMOTE.match(path):
        return
    path = look.at(path)
    if path in seen:
        return
    seen.add(path)
    if len(seen) > MAX_FILES:
        refuse(MISSING, "requirement files name too many others", "join them")
    for line in lines(look.need(path)):
        _line(look, path, _filled(line, look), seen)


def lines(text: str) -> Iterator[str]:
    """Yield the lines of a requirement file: joined, without comments, none empty."""
    held = ""
    for line in text.splitlines():
        comment = _COMMENT.match(line)
        if line.endswith("\\") and not comment:
            held += line.strip("\\")
            continue
        whole = _COMMENT.sub("", held + (f" {line}" if comment else line)).strip()
        held = ""
        if whole:
            yield whole
    if held := _COMMENT.sub("", held).strip():
        yield held


def _filled(line: str, look: Look) -> str:
    def known(match: re.Match[str]) -> str:
        value = look.env.get(match[1], "")
        return value if value and "$" not in value else match[0]

    return _VARIABLE.sub(known, line)


def _line(look: Look, path: str, line: str, seen: set[str]) -> None:
    tokens = line.split(" ")
    count = next((n for n, token in enumerate(tokens) if token.startswith("-")), len(tokens))
    text = " ".join(tokens[:count])
    if text:
        requirement(look, text, path)
    try:
        words = shlex.split(" ".join(tokens[count:]))
    except ValueError:
        refuse(MISSING, f"{path}: `{line[:60]}` is not read", "write it plainly")
    found = parse(tuple(words), look, "requirements")
    folder = posixpath.dirname(path)
    for value in found.values("-e", "--editable"):
        editable(look, value)
    for value in found.values("-r", "--requirement", "-c", "--constraint"):
        read_file(look, value if _REMOTE.match(value) else look.at(value, folder), seen)
    for value in found.values(*INDEXES):
        index(look, value, folder)
    for value in found.values("-f", "--find-links"):
        links(look, value, folder)
        links(look, value)
    if found.arguments:
        refuse(MISSING, f"{path}: `{line[:60]}` is not read", "write it plainly")


INDEXES = ("-i", "--index-url", "--pypi-url", "--extra-index-url", "--default-index", "--index")


def index(look: Look, value: str, base: str = "") -> None:
    """Note an index of packages if it is a folder."""
    url = value.rpartition("=")[2] if re.match(r"[\w-]+=https?:", value) else value
    if "$" not in url and not url.startswith('"'):
        links(look, url, base)


def links(look: Look, value: str, base: str = "") -> None:
    """Note a folder or page that archives are looked for in."""
    if _REMOTE.match(value):
        return
    path = look.at(_LOCAL.sub("", value), base)
    kind = look.kind(path)
    if kind == "dir":
        look.whole(path)
    elif kind == "file":
        refuse(MISSING, f"{path} is a page of links", "name a folder")


def requirement(look: Look, text: str, source: str = "") -> None:
    """Note what a requirement names in the image, if it names a file."""
    if _REMOTE.match(text):
        return
    text = text.partition(";")[0].strip().strip("\"'")
    name, at, url = (part.strip() for part in text.partition("@"))
    if at and _NAMED.match(name) and not _LOCAL.match(text):
        text = url
        if _REMOTE.match(url):
            return
    if _LOCAL.match(text) or "/" in text or text.startswith(".") or _archive(text):
        _file(look, text, source)
    elif not at and _NAMED.match(text):
        return
    else:
        refuse(OPEN, f"`{text[:60]}` is not read as a requirement", "write it plainly")


def _archive(text: str) -> bool:
    return bool(_ARCHIVE.search(text.partition("[")[0].partition("#")[0]))


def editable(look: Look, text: str) -> None:
    """Note what an editable requirement names: a project in the image, or a repository."""
    if _REMOTE.match(text) or (re.match(r"[\w.-]+\s*@\s*", text) and _REMOTE.search(text)):
        look.write("src")  # repositories are cloned there outside a virtual environment
        return
    path = look.at(_LOCAL.sub("", _bare(text)))
    if look.kind(path) == "":
        refuse(MISSING, f"{path} is not among the copied files", "have it in the build context")
    _project(path)


def _bare(text: str) -> str:
    text = text.partition("#")[0]
    match = _EXTRAS.match(text)
    return match[1] if match else text


def _file(look: Look, text: str, source: str) -> None:
    path = look.at(_LOCAL.sub("", _bare(text)))
    kind = look.kind(path)
    if kind == "dir":
        _project(path)
    if kind == "file":
        look.has(path)
    elif not text.startswith(("/", "file:///")):
        place = f"{source}: " if source else ""
        refuse(MISSING, f"{place}{path} is not among the copied files", "copy it from the context")


def _project(path: str) -> None:
    refuse(
        PROJECT, f"it builds the project in {path}, and so reads its sources",
        "install what it depends on from a requirement file of its own first",
    )  # fmt: skip
