"""Whether the dependencies for development can go once a Node project is built."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from refactor.effects.artefact_needs import Subject
from refactor.effects.artefact_node_sources import Package, imports, sources
from refactor.effects.artefact_roots import starts
from refactor.effects.events import Copy
from refactor.facts.images import Image
from refactor.facts.installs import Unknown

if TYPE_CHECKING:
    from refactor.effects.artefact_node import NodeWalk

BUILT = "what is built needs none of the dependencies for development when it runs"
_MAJOR = re.compile(r"(\d+)(?:[.-]|\Z)")
_NEW = re.compile(r"(?:latest|lts|current|alpine[\d.]*|slim|[a-z]+)(?:-\w+)*\Z")
_WORD = re.compile(r"@?[\w./-]+")
# Programs that have another name than the package that they come with.
_ALIASES = {
    "tsc": "typescript", "ng": "@angular/cli", "nest": "@nestjs/cli", "vue-cli-service":
    "@vue/cli-service", "babel-node": "@babel/node", "babel": "@babel/cli", "webpack-dev-server":
    "webpack-dev-server", "ts-node-dev": "ts-node-dev", "tsnd": "ts-node-dev", "react-router-serve":
    "@react-router/serve", "remix-serve": "@remix-run/serve", "prisma": "prisma", "medusa":
    "@medusajs/cli", "strapi": "@strapi/strapi", "knex": "knex", "sequelize": "sequelize-cli",
}  # fmt: skip
_LEGACY = re.compile(r"legacy[-_]peer[-_]deps", re.IGNORECASE)
_OMITS = frozenset({"--production", "--prod", "--omit=dev", "--only=production", "--only=prod"})


class Pruned(NamedTuple):
    """The command that takes the dependencies out, or why there is none."""

    command: tuple[str, ...] = ()
    assumes: tuple[str, ...] = ()
    why: Unknown | None = None


def prune(subject: Subject, walk: NodeWalk, project: Package) -> Pruned:
    """Return how the dependencies for development are taken out of a project that is built."""
    if not walk.builds or not project.development or len(walk.installs) != 1:
        return Pruned()
    asked, step, event = walk.installs[0]
    production = step is not None and step.env.get("NODE_ENV") == "production"
    omitted = production or _OMITS & set(asked.options) or "--no-package-lock" in asked.options
    if asked.manager != "npm" or omitted or project.workspaces or asked.folder != walk.app:
        return Pruned()
    last = subject.stage.events[-1]
    setting = last if isinstance(last, Copy) else getattr(last, "setting", None)
    if setting is None or [v.text for v in setting.workdir] != [walk.app]:
        return Pruned()
    if setting.user.text != event.setting.user.text:
        return Pruned()
    command = command_for(subject.image)
    if not command:
        return Pruned(why=Unknown("S510", "which npm the image has is not known", "name a version"))
    if used := uses(subject, walk, project):
        return Pruned(why=used)
    return Pruned(command, (BUILT,))


def command_for(image: Image) -> tuple[str, ...]:
    """Return npm's command; npm 7, which came with Node 15, has another option than npm 6."""
    match = _MAJOR.match(image.tag)
    if match:
        old = int(match[1]) < 15
        return ("npm", "prune", "--production") if old else ("npm", "prune", "--omit=dev")
    return ("npm", "prune", "--omit=dev") if _NEW.match(image.tag) else ()


def uses(subject: Subject, walk: NodeWalk, project: Package) -> Unknown | None:
    """Return what uses a dependency for development when the image runs."""
    if where := _forgets_peers(subject, walk):
        return Unknown("S510", f"npm leaves peers out ({where} has legacy-peer-deps)",
                       "make the peers dependencies")  # fmt: skip
    for start in starts(subject.stage, subject.around):
        if any("$" in word and "npm" in " ".join(start.argv) for word in start.argv):
            return Unknown("S510", f"{start.where} runs a script whose name is a variable",
                           "name it")  # fmt: skip
        found = named(start.argv, project, set())
        if found:
            return Unknown("S510", f"{start.where} uses {found}, a dependency for development",
                           f"make {found} a dependency")  # fmt: skip
    scripts = sources(walk.placed, walk.app)
    if isinstance(scripts, Unknown):
        return scripts
    for script in scripts:
        if found := min(imports(script) & project.development, default=""):
            return Unknown(
                "S510", f"{script.path} imports {found}, a dependency for development",
                f"make {found} a dependency, or import its types alone",
            )  # fmt: skip
    return None


def _forgets_peers(subject: Subject, walk: NodeWalk) -> str:
    """Return what tells npm not to keep what a dependency asks for as its peer; empty if nothing.

    npm 11 has been tried: without it, `npm ci --omit=dev` installs a peer that only the project's
    devDependencies name, whatever lock file there is; with it, the peer is not there.
    """
    path = f"{walk.app}/.npmrc"
    if _LEGACY.search(walk.placed.text(path) or ""):
        return path
    pairs = dict(subject.stage.config)["env"]
    assert isinstance(pairs, tuple)
    said = [(ins.keyword, ins.args) for ins in subject.place.instructions]
    said += [("ENV", name) for name, _ in pairs]
    return next((where for where, text in said if _LEGACY.search(text)), "")


def named(words: tuple[str, ...], project: Package, seen: set[str]) -> str:
    """Return a dependency for development that a command names, through the project's scripts."""
    names = {part for word in words for part in _WORD.findall(word)}
    for name in sorted(names):
        package = _ALIASES.get(name, name)
        for known in (package, "/".join(package.split("/")[: 1 + package.startswith("@")])):
            if known in project.development and not known.startswith("@types/"):
                return known
    asked = set(words) if not {"npm", "yarn", "pnpm", "npx"}.isdisjoint(names) else set()
    if asked:
        asked |= {"start"} if "start" in names else set()
    for script in sorted(names & project.scripts.keys() if asked else ()):
        for own in (f"pre{script}", script, f"post{script}"):
            if own in project.scripts and own not in seen:
                seen.add(own)
                if found := named(tuple(project.scripts[own].split()), project, seen):
                    return found
    return ""
