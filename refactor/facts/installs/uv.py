"""uv: projects, requirements, tools and Python itself."""

from __future__ import annotations

import posixpath

from refactor.facts.installs import python
from refactor.facts.installs.globs import folders_of
from refactor.facts.installs.options import Line, action, parse, row_of, split
from refactor.facts.installs.reading import (
    BUILDS,
    OPEN,
    PROJECT,
    WORKSPACE,
    Look,
    refuse,
    strings,
    table,
    toml,
)
from refactor.facts.installs.requirements import (
    INDEXES,
    editable,
    index,
    links,
    read_file,
    requirement,
)

_UV_NOT = split(
    "--directory --project --config-file --script --excludes "
    "--install-dir --mirror --cert --overrides --override"
)


def uv(words: tuple[str, ...], look: Look) -> str | None:
    """Read what uv installs: a project, requirements, a tool, or Python itself."""
    verbs = [word for word in words[1:] if not word.startswith("-")][:2]
    verb = action(words[1:], "uv")
    whole = verb in ("sync", "venv", "add") or verbs in (
        ["pip", "install"], ["pip", "sync"], ["tool", "install"], ["python", "install"]
    )  # fmt: skip
    if not whole:
        return None
    if verb == "add":
        refuse(BUILDS, "`uv add` changes the project that it installs", "uv sync")
    look.program(words[0])
    look.allow("UV_", row_of("uv").settings)
    found = parse(words[1:], look, "uv")
    for name in _UV_NOT:
        if found.has(name):
            refuse(OPEN, f"what {name} asks for is not followed", f"leave {name} out")
    for value in found.values("-f", "--find-links"):
        links(look, value)
    for value in found.values(*INDEXES):
        index(look, value)
    look.up(".python-version", ".python-versions")
    _uv_settings(look)
    if verb == "sync":
        _uv_sync(found, look)
    elif verb == "pip":
        _uv_pip(found, look)
    elif verb == "tool":
        for text in (*found.arguments[2:], *found.values("--with", "--from", "-w")):
            requirement(look, text)
    elif verb == "venv":
        look.makes(look.at((*found.arguments[1:], ".venv")[0]))
    return "uv"


def _uv_settings(look: Look) -> None:
    """Note uv's settings in the folder and those above it."""
    for path in look.up("uv.toml", "pyproject.toml"):
        data = toml(look.text(path), path)
        if path.endswith("pyproject.toml"):
            data = table(table(data.get("tool")).get("uv"))
        found = data.get("index")
        indexes = (
            [i.get("url") for i in found if isinstance(i, dict)] if isinstance(found, list) else []
        )
        for key in ("find-links", "extra-index-url", "index-url"):
            indexes.extend(strings(data.get(key)))
        python.indexes(indexes, path)
        python.sources([data.get(key) for key in data if key.endswith("dependencies")], path)


def _uv_pip(found: Line, look: Look) -> None:
    for value in (*found.values("-r", "--requirements", "--requirement"), *_synced(found)):
        name = posixpath.basename(value)
        if name in ("setup.py", "setup.cfg"):
            python.root(look.at(value), "a requirement file")
        elif name == "pyproject.toml":
            _static(look, look.at(value))
        else:
            read_file(look, value)
    for name in ("-c", "--constraints", "--constraint", "-b", "--build-constraints",
                 "--build-constraint"):  # fmt: skip
        for value in found.values(name):
            read_file(look, value)
    for value in found.values("-e", "--editable"):
        editable(look, value)
    for value in found.values("-t", "--target", "--prefix"):
        look.write(look.at(value))
    if found.values("--group"):
        refuse(OPEN, "what --group reads is not followed", "use a requirement file")
    if found.arguments[1:2] == ("install",):
        for text in found.arguments[2:]:
            python.package(look, text)
    if not found.has("--system") and not look.on("UV_SYSTEM_PYTHON"):
        look.makes(".venv")
        python.into("", look)
    for value in found.values("-p", "--python"):
        if "/" in value:
            python.environment(look, look.at(value))


def _synced(found: Line) -> tuple[str, ...]:
    return found.arguments[2:] if found.arguments[1:2] == ("sync",) else ()


def _static(look: Look, path: str) -> None:
    """Note a pyproject.toml of which only the dependencies are installed."""
    data = toml(look.need(path), path)
    project = table(data.get("project"))
    if project.get("dynamic") or not project:
        python.root(path, f"write the dependencies out in {path}")
    python.sources([project, data.get("dependency-groups")], path)
    _uv_sources(look, data, path, False)


def _uv_sync(found: Line, look: Look) -> None:
    if found.arguments != ("sync",):
        refuse(OPEN, "what `uv sync` is asked for is not followed", "none")
    path = look.at("pyproject.toml")
    data = toml(look.need(path), path)
    tool = table(table(data.get("tool")).get("uv"))
    alone = found.has("--no-install-workspace", "--no-install-local") or any(
        look.on(f"UV_NO_INSTALL_{name}") for name in ("WORKSPACE", "LOCAL")
    )
    without = alone or found.has("--no-install-project", "--only-group", "--only-dev")
    without = without or look.on("UV_NO_INSTALL_PROJECT")
    if tool.get("package", "build-system" in data) and not without:
        python.root(path, "uv sync --no-install-project first, and again behind the sources")
    if (found.values("--package") or found.has("--all-packages")) and not alone:
        refuse(WORKSPACE, "it builds members of the workspace", "--no-install-workspace")
    for folder in look.above():
        above = posixpath.join(folder, "pyproject.toml")
        if look.kind(above) and "workspace" in _tool(look, above):
            refuse(WORKSPACE, f"{above} makes it part of a workspace", "run it in that folder")
    lock = look.at("uv.lock")
    locked = look.has(lock)
    frozen = found.has("--frozen") or look.on("UV_FROZEN")
    exact = frozen or (locked and (found.has("--locked") or look.on("UV_LOCKED")))
    _metadata(data, path, frozen, exact)
    for folder in folders_of(look, table(tool.get("workspace")).get("members"), "pyproject.toml"):
        member = f"{folder}/pyproject.toml"
        if not alone:
            refuse(WORKSPACE, f"it builds the workspace's {folder}", "--no-install-workspace")
        _metadata(toml(look.need(member), member), member, frozen, exact)
    _uv_sources(look, data, path, alone)
    if not frozen and not found.has("--locked"):
        look.write(lock)
    place = look.value("UV_PROJECT_ENVIRONMENT")
    if place:
        python.environment(look, look.at(place))
    else:
        look.makes(".venv")
    python.into("", look)


def _tool(look: Look, path: str) -> dict[str, object]:
    return table(table(toml(look.text(path), path).get("tool")).get("uv"))


def _metadata(data: dict[str, object], path: str, frozen: bool, exact: bool) -> None:
    """Refuse a project whose metadata only a build would tell, if they are asked for."""
    dynamic = set(strings(table(data.get("project")).get("dynamic")))
    if dynamic and not (exact and (frozen or not any("dependencies" in key for key in dynamic))):
        python.root(path, "uv sync --frozen, or metadata that are written out")
    python.sources([data.get("project"), data.get("dependency-groups")], path)


def _uv_sources(look: Look, data: dict[str, object], path: str, alone: bool) -> None:
    sources = table(table(table(data.get("tool")).get("uv")).get("sources"))
    for value in sources.values():
        for source in value if isinstance(value, list) else [value]:
            place = table(source).get("path")
            if isinstance(place, str):
                where = look.at(place, posixpath.dirname(path))
                if look.kind(where) != "file":
                    refuse(PROJECT, f"{path} depends on the folder {where}", "publish it")
                look.has(where)
            elif table(source).get("workspace") and not alone:
                refuse(WORKSPACE, f"{path} depends on its workspace", "--no-install-workspace")
