"""What scripts, Makefiles, documents and other files with shell text in them say."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from refactor.outside.container_commands import Place
from refactor.outside.container_commands import read as read_shell
from refactor.outside.records import Record
from refactor.outside.shell_lines import TOOLS, expanded
from refactor.outside.yaml_items import json

_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})")
_PROMPT = re.compile(r"^[ \t]*(?:[\w.@~:/-]*[$%>][ \t]+)?", re.M)
_PLACEHOLDER = re.compile(r"<([A-Za-z][\w .-]{0,60})>")
_SEPARATOR = re.compile(r"[^A-Za-z0-9]")
_SPAN = re.compile(r"`([^`\n]{3,300})`")
_GROOVY_SHELL = re.compile(
    r"\b(?:sh|bat)\b[\s(]*(?:script:\s*)?(\"\"\"|'''|\"|')(.{1,4000}?)\1", re.S
)
_GROOVY_BUILD = re.compile(
    r"\bdocker\.build\(\s*[\"']([^\"'\n]+)[\"'](?:\s*,\s*[\"']([^\"'\n]*)[\"'])?"
)
_GROOVY_AGENT = re.compile(r"\bdockerfile\s*(?:\{([^{}]{0,2000})\}|true)")


def script(path: str, text: str) -> Iterator[Record]:
    """Read a shell script; it may run where it is, or in the root of the repository."""
    folders = tuple(dict.fromkeys((posixpath.dirname(path), "")))
    yield from read_shell(expanded(text), Place("script", path, 1, folders))


def program(path: str, text: str) -> Iterator[Record]:
    """Read a shell script that has no suffix."""
    yield from script(path, text)


def makefile(path: str, text: str) -> Iterator[Record]:
    """Read the recipes of a Makefile or justfile."""
    text = expanded(text.replace("\\\r\n", "\\\n"))
    folders = (posixpath.dirname(path),)
    line = 1
    for recipe in re.split(r"(?<!\\)\n", text):
        if recipe[:1] in "\t " and recipe.strip() and TOOLS.search(recipe):
            shell = re.sub(r"^[\s@+-]+", "", recipe.replace("$$", "$"))
            yield from read_shell(shell, Place("makefile", path, line, folders))
        line += recipe.count("\n") + 1


def document(path: str, text: str) -> Iterator[Record]:
    """Read the code of a README or another document: fenced, indented, and in the running text."""
    text = expanded(_PLACEHOLDER.sub(lambda match: f"${_SEPARATOR.sub('_', match[1])}", text))
    folders = tuple(dict.fromkeys((posixpath.dirname(path), "")))
    code: list[str] = []
    fence, start = "", 1
    for line, row in enumerate([*text.split("\n"), "```"], 1):
        match = _FENCE.match(row)
        if match and (not fence or match[1].startswith(fence)):
            fence = "" if fence else match[1]
            yield from read_shell("\n".join(code), Place("docs", path, start, folders))
            code, start = [], line + 1
        elif fence or re.match(r" {4}|\t|\$ ", row) or (code and code[-1].endswith("\\")):
            code.append(_PROMPT.sub("", row.rstrip()))
        else:
            spans = [span for span in _SPAN.findall(row) if TOOLS.match(span)]
            code.append(" ; ".join(spans))


def package(path: str, text: str) -> Iterator[Record]:
    """Read the scripts of a package.json."""
    folders = (posixpath.dirname(path),)
    for item in json(text).get("scripts").fields.values():
        yield from read_shell(item[0].text, Place("package", path, item[0].line, folders))


def jenkins(path: str, text: str) -> Iterator[Record]:
    """Read the shell steps and builds of a Jenkinsfile."""
    text = expanded(text)
    found = [(match.start(2), match[2]) for match in _GROOVY_SHELL.finditer(text)]
    for match in _GROOVY_BUILD.finditer(text):
        found.append((match.start(), f"docker build -t {match[1]} {match[2] or '.'}"))
    for match in _GROOVY_AGENT.finditer(text):
        fields = dict(re.findall(r"(\w+)\s*[( ]\s*['\"]([^'\"]*)", match[1] or ""))
        folder, options = fields.get("dir", "."), fields.get("additionalBuildArgs", "")
        file = posixpath.join(folder, fields.get("filename", "Dockerfile"))
        found.append((match.start(), f"docker build {options} -f {file} {folder}"))
    for start, command in sorted(found):
        line = text.count("\n", 0, start) + 1
        yield from read_shell(command, Place("ci", path, line, ("",)))
