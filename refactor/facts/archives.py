"""Archives that a command downloads or unpacks, as far as its words tell for certain."""

from __future__ import annotations

import re

_OUTPUT = {"curl": ("-o", "--output"), "wget": ("-O", "--output-document")}
_ELSEWHERE = re.compile(r"-P|--directory-prefix|--output-dir|--create-dirs|-i\Z|--input-file|-c\Z")
_BY_NAME = re.compile(r"-[A-Za-z]*O\Z|--remote-name\Z")


def downloaded(argv: tuple[str, ...]) -> str:
    """Return the file that curl or wget writes, empty if that is not certain."""
    program = argv[0] if argv else ""
    urls = [word for word in argv[1:] if "://" in word]
    if program not in _OUTPUT or len(urls) != 1 or any(map(_ELSEWHERE.match, argv[1:])):
        return ""
    short, long = _OUTPUT[program]
    for index, word in enumerate(argv[1:], 1):
        if word == long or (re.match(r"-[A-Za-z]+\Z", word) and word.endswith(short[1])):
            return _plain("".join(argv[index + 1 : index + 2]))
        if word.startswith(long + "="):
            return _plain(word.partition("=")[2])
    if program == "wget" or any(map(_BY_NAME.match, argv[1:])):
        return _plain(urls[0].rpartition("/")[2])
    return ""


def unpacked(argv: tuple[str, ...]) -> str:
    """Return the archive that tar or unzip unpacks, empty if that is not certain."""
    if len(argv) > 2 and argv[0] == "tar" and re.match(r"-?[a-zA-Z]*x|--extract", argv[1]):
        for index, word in enumerate(argv[1:], 1):
            if re.match(r"-[a-zA-Z]*f\Z" if index > 1 else r"-?[a-zA-Z]*f\Z", word):
                return _plain("".join(argv[index + 1 : index + 2]))
    if argv[:1] == ("unzip",):
        rest = [word for word in argv[1:] if not word.startswith("-")]
        return _plain(rest[0]) if rest else ""
    return ""


def _plain(path: str) -> str:
    """Return a path that no shell changes, else nothing; `-` is no file."""
    return path if re.fullmatch(r"[\w./+-]*\w", path) else ""
