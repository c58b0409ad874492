"""Mix: `mix deps.get`, `mix deps.compile`, and hex and rebar themselves."""

from __future__ import annotations

import re

from refactor.facts.installs.options import action, parse, row_of
from refactor.facts.installs.reading import OPEN, PROJECT, SCRIPT, WORKSPACE, Look, refuse

_TASKS = frozenset({"deps.get", "deps.compile", "local.hex", "local.rebar", "archive.install"})
_CALL = re.compile(r"(?<![\w.\"])((?:[A-Z]\w*\.)+[a-z_]\w*[!?]?|:[a-z]\w*\.\w+)")
_KNOWN = re.compile(
    r"(?:Mix\.(?:env|target|Project\.(?:config|build_path|deps_path))|"
    r"System\.(?:get_env|fetch_env|fetch_env!|version|otp_release)|"
    r"(?:String|Enum|Keyword|Map|List|Integer|Version|Regex|Atom)\.\w+[!?]?|"
    r"Path\.(?:join|expand|dirname|basename|relative_to))\Z"
)
_READS = re.compile(
    r"\b(?:File|Code|EEx|Port|IO\.read|System\.(?:cmd|shell)|Path\.wildcard|apply)\b"
    r"|:(?:file|filelib|os|code|erl_\w+)\."
)
_ELSEWHERE = re.compile(
    r"\b(?:config_path|deps_path|build_path|lockfile|require_file|import|require|apply|File|Code)\b"
)
_IMPORT = re.compile(r"\bimport_config\b(?:\(?\s*\"([^\"]*)\")?")
_OWN = re.compile(r"(?:#\{(?:config_env\(\)|Mix\.env(?:\(\))?)\})?[\w.-]*\.exs\Z")


def mix(words: tuple[str, ...], look: Look) -> str | None:
    """Read the tasks that fetch and compile what a project depends on."""
    tasks = _tasks(words)
    if not tasks or not all(action(task, "mix") in _TASKS for task in tasks):
        return None
    look.program(words[0])
    look.allow("MIX_", row_of("mix").settings)
    for task in tasks:
        found = parse(task, look, "mix")
        if any("$" in word or "/" in word for word in found.arguments):
            refuse(OPEN, f"`{' '.join(task)}` is not followed", "write it plainly")
    manifest = look.at("mix.exs")
    wanted = any(task[0].startswith("deps.") for task in tasks)
    if wanted or look.kind(manifest):
        _manifest(look, look.need(manifest), manifest)
        _configuration(look)
    if wanted:
        look.takes("mix.lock")
        look.makes("deps", "_build")
        look.write("mix.lock")
    return "mix"


def _tasks(words: tuple[str, ...]) -> list[tuple[str, ...]]:
    if words[1:2] != ("do",):
        return [words[1:]] if len(words) > 1 else []
    tasks: list[list[str]] = [[]]
    for word in words[2:]:
        if word in ("+", ","):
            tasks.append([])
        elif word.endswith(","):
            tasks[-1].append(word[:-1])
            tasks.append([])
        else:
            tasks[-1].append(word)
    return [tuple(task) for task in tasks if task]


def _manifest(look: Look, text: str, path: str) -> None:
    """Refuse a project file that may read others, or that depends on folders."""
    plain = _bare(text)
    for call in _CALL.findall(plain):
        if not _KNOWN.match(call):
            refuse(SCRIPT, f"{path} calls {call}, and may read other files", "write the value out")
    if re.search(r"\b(?:apps_path|in_umbrella)\b", plain):
        refuse(WORKSPACE, f"{path} is part of an umbrella", "none")
    if re.search(r"\bpath:", plain):
        refuse(PROJECT, f"{path} depends on a folder", "publish it")
    if re.search(
        r"\b(?:config_path|deps_path|build_path|lockfile|require_file|import|require)\b", plain
    ):
        refuse(SCRIPT, f"{path} names other files", "none")
    if re.search(r"\"(?:deps\.(?:get|compile|loadpaths|precompile)|loadconfig)\"", plain):
        refuse(SCRIPT, f"{path} has aliases for the tasks of dependencies", "none")


def _configuration(look: Look) -> None:
    """Note the configuration: it is loaded before any task."""
    folder = look.at("config")
    if look.kind(folder) != "dir":
        look.optional.add(f"{folder}/config.exs")
        return
    look.whole(folder)
    for path in look.tree.below(folder):
        if path.endswith(".exs") and not path.endswith("/runtime.exs"):
            text = _bare(look.text(path))
            if _READS.search(text) or not all(map(_OWN.match, _IMPORT.findall(text))):
                refuse(SCRIPT, f"{path} may read other files", "write the values out")


def _bare(text: str) -> str:
    """Return a text without the lines that are comments."""
    return re.sub(r"(?m)^[ \t]*#.*$", "", text)
