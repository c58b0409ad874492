"""What the scripts read that npm and the like run when a project's dependencies are installed."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping

from refactor.facts.installs.reading import BUILDS, SCRIPT, Look, refuse, strings, table
from refactor.shell import Command, Opaque, read

LIFECYCLE = (
    "pnpm:devPreinstall", "preinstall", "install", "postinstall", "preprepublish", "prepublish",
    "postprepublish", "preprepare", "prepare", "postprepare",
)  # fmt: skip
MAX_DEPTH = 6
MAX_CODE = 16 * 1024
_BUILDERS = frozenset(
    "tsc tsup tsx vite webpack next nuxt nuxi svelte-kit ng ngc ngcc rollup esbuild babel gulp "
    "grunt lerna turbo nx node-gyp parcel vue-cli-service react-scripts astro remix swc unbuild "
    "make cmake electron-builder cargo nest ts-node build".split()
)
_NOWHERE = re.compile(r"\d?>+ ?/dev/null|\d?>&\d")
_HARMLESS = frozenset(
    "echo true : exit is-ci is-ci-cli only-allow opencollective opencollective-postinstall "
    "npm-force-resolutions check-node-version in-install not-in-install in-publish".split()
)
_LOCKS = ("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock",
          "bun.lockb")  # fmt: skip
_HOOKS = {
    "husky": (".huskyrc", ".huskyrc.json", ".huskyrc.js", "husky.config.js"),
    "simple-git-hooks": (".simple-git-hooks.json", ".simple-git-hooks.js", ".simple-git-hooks.cjs",
                         "simple-git-hooks.json", "simple-git-hooks.js", "simple-git-hooks.cjs"),
    "lefthook": tuple(f"{dot}lefthook{local}.{end}" for dot in ("", ".") for local in ("", "-local")
                      for end in ("yml", "yaml", "toml", "json")),
    "pre-commit": (), "pre-push": (), "yorkie": (), "ghooks": (),
}  # fmt: skip


class Package:
    """A package.json that is read, and the folder that it is in."""

    def __init__(self, look: Look, folder: str, data: dict[str, object]) -> None:
        self.look = look
        self.folder = folder
        self.data = data
        self.scripts = table(data.get("scripts"), f"{folder}/package.json")

    def lifecycle(self) -> None:
        """Note what the scripts read that an install runs."""
        for name in LIFECYCLE:
            if name in self.scripts:
                self.script(name, 0)
        gyp = [name for name in self.look.names(self.folder) if name.endswith(".gyp")]
        if gyp and not {"install", "preinstall"} & set(self.scripts):
            refuse(BUILDS, f"npm builds {self.folder}/{gyp[0]}", "build it behind the sources")

    def script(self, name: str, depth: int) -> None:
        """Note what a script reads."""
        text = self.scripts.get(name)
        if depth > MAX_DEPTH or not isinstance(text, str):
            refuse(SCRIPT, f"{self.where(name)} is not followed", "none")
        script = read(text)
        if isinstance(script, Opaque):
            refuse(SCRIPT, f"{self.where(name)} is not read: {script}", "write it plainly")
        for command in script.commands():
            if not all(_NOWHERE.fullmatch(r.text) for r in command.redirects):
                refuse(SCRIPT, f"{self.where(name)} redirects to files", "write it plainly")
            if any("$(" in word or "`" in word for word in command.argv):
                refuse(SCRIPT, f"{self.where(name)} runs commands in words", "write it plainly")
            self.command(name, words_of(command), depth)

    def where(self, name: str) -> str:
        """Return how messages name a script."""
        return f"the script {name} of {self.folder}/package.json"

    def command(self, name: str, words: list[str], depth: int) -> None:
        """Note what one command of a script reads."""
        if not words:
            return
        tool, arguments = words[0], words[1:]
        if tool in _RUNNERS:
            self._run(name, words, depth)
        elif tool in _HARMLESS:
            pass
        elif tool in ("[", "test"):
            if any(re.fullmatch(r"-[a-mo-yA-Z]", word) for word in arguments):
                refuse(SCRIPT, f"{self.where(name)} looks at files", "none")
        elif tool in _HOOKS:
            hooks(self.look, self.folder, tool)
        elif tool in _TOOLS:
            _TOOLS[tool](self, arguments)
        elif tool in _BUILDERS or tool.endswith((".ts", ".tsx")):
            refuse(
                BUILDS, f"{self.where(name)} builds: it runs {tool}", "build in a RUN of its own"
            )
        else:
            refuse(SCRIPT, f"{self.where(name)} runs {tool}, which may read the sources", "none")

    def _run(self, name: str, words: list[str], depth: int) -> None:
        """Follow `npm run x`, `npx x` and the like."""
        program, rest = words[0], words[1:]
        while rest and rest[0] in (
            "-y",
            "--yes",
            "--no",
            "--no-install",
            "-s",
            "--silent",
            "-q",
            "--",
        ):
            rest = rest[1:]
        verb = rest[0] if rest else ""
        if verb in ("run", "run-script") and len(rest) > 1:
            self._named(name, rest[1], depth)
        elif verb in ("exec", "x", "dlx") and len(rest) > 1:
            self.command(name, [rest[1].partition("@")[0], *rest[2:]], depth + 1)
        elif program in ("npx", "bunx") and verb:
            self.command(name, [verb.partition("@")[0], *rest[1:]], depth + 1)
        elif program in ("yarn", "pnpm", "bun") and verb in self.scripts:
            self._named(name, verb, depth)
        elif program in ("yarn", "pnpm") and verb in (*_TOOLS, *_HOOKS, *_BUILDERS):
            self.command(name, rest, depth + 1)
        else:
            refuse(SCRIPT, f"{self.where(name)} runs `{' '.join(words)[:60]}`", "none")

    def _named(self, name: str, other: str, depth: int) -> None:
        for script in (f"pre{other}", other, f"post{other}"):
            if script == other or script in self.scripts:
                self.script(script, depth + 1)


_RUNNERS = frozenset({"npm", "npx", "yarn", "pnpm", "bun", "bunx"})


def words_of(command: Command) -> list[str]:
    """Return the words of a command behind cross-env and its variables."""
    words = list(command.argv)
    if words and words[0] in ("cross-env", "cross-env-shell", "env"):
        words = words[1:]
        while words and re.match(r"\w+=", words[0]):
            words = words[1:]
    return words


def hooks(look: Look, folder: str, tool: str) -> None:
    """Note what a tool reads that sets up the hooks of git: without git's folder, nothing."""
    for place in (folder, *look.above(folder)):
        if look.kind(posixpath.join(place, ".git")):
            refuse(SCRIPT, f"{tool} writes into {place}/.git", "add .git to .dockerignore")
    look.takes(*_HOOKS[tool], folder=folder)
    if tool == "husky" and look.kind(f"{folder}/.husky") == "dir":
        look.whole(f"{folder}/.husky")
        look.write(f"{folder}/.husky/_")


def _patch_package(package: Package, arguments: list[str]) -> None:
    look, folder = package.look, package.folder
    place = "patches"
    rest = iter(arguments)
    for word in rest:
        if word == "--patch-dir":
            place = next(rest, "")
        elif word not in ("--use-yarn", "--error-on-fail", "--error-on-warn", "--reverse"):
            refuse(SCRIPT, f"what patch-package does with {word} is not known", "none")
    if look.kind(look.at(place, folder)) == "dir":
        look.whole(look.at(place, folder))
    look.takes(*_LOCKS, folder=folder)


def _prisma(package: Package, arguments: list[str]) -> None:
    if arguments[:1] != ["generate"]:
        refuse(SCRIPT, "what prisma does besides generate is not known", "none")
    place = ""
    rest = iter(arguments[1:])
    for word in rest:
        name, _, value = word.partition("=")
        if name == "--schema":
            place = value or next(rest, "")
        elif name not in ("--no-hints", "--no-engine", "--allow-no-models", "--data-proxy"):
            refuse(SCRIPT, f"what prisma does with {word} is not known", "none")
    prisma(package, place)


def prisma(package: Package, place: str = "") -> None:
    """Note the schema that `prisma generate` reads, and where it writes its client."""
    look, folder = package.look, package.folder
    for name in look.names(folder):
        if name.startswith("prisma.config.") or name == ".config":
            refuse(SCRIPT, f"{folder}/{name} may read anything", "none")
    settings = package.data.get("prisma")
    named = place or (settings.get("schema") if isinstance(settings, dict) else "")
    places = [str(named)] if named else ["schema.prisma", "prisma/schema.prisma", "prisma/schema"]
    look.takes(".env", "prisma/.env", folder=folder)
    for path in (look.at(text, folder) for text in places):
        kind = look.kind(path)
        if kind == "dir":
            look.whole(path)
            schemas = [p for p in look.tree.below(path) if p.endswith(".prisma")]
        else:
            schemas = [path] if look.has(path) else []
        for schema in schemas:
            _generators(look, schema)
        if kind:
            look.takes(".env", folder=posixpath.dirname(path))


def _generators(look: Look, schema: str) -> None:
    for block in re.findall(r"(?m)^[ \t]*generator\s+\w+\s*\{([^}]*)\}", look.text(schema)):
        provider = re.search(r'(?m)^[ \t]*provider\s*=\s*"([^"]*)"', block)
        output = re.search(r"(?m)^[ \t]*output\s*=\s*(.*)$", block)
        if not provider or provider[1] not in ("prisma-client-js", "prisma-client"):
            refuse(SCRIPT, f"{schema} has a generator that may read anything", "none")
        if output:
            look.write(look.at(output[1].strip().strip('"'), posixpath.dirname(schema)))


def _node(package: Package, arguments: list[str]) -> None:
    look, folder = package.look, package.folder
    if arguments[:1] in (["-e"], ["-p"], ["--eval"]) and len(arguments) == 2:
        alone(look, arguments[1], f"{folder}/-e", set())
    elif arguments and not arguments[0].startswith("-"):
        code(look, look.at(arguments[0], folder))
    else:
        refuse(SCRIPT, f"what `node {' '.join(arguments)[:60]}` reads is not known", "none")


_TOOLS: dict[str, Callable[[Package, list[str]], None]] = {
    "patch-package": _patch_package,
    "prisma": _prisma,
    "node": _node,
}

_MODULE = re.compile(
    r"""\brequire\s*\(\s*['"]([^'"\n]*)['"]\s*\)|\bimport\b[^'";()]*\(?\s*['"]([^'"\n]*)['"]"""
)
_LOADS = re.compile(r"\brequire\b|\bimport\b|\bexport\b[^;]*\bfrom\b")
_BUILT_IN = frozenset("path os util process url assert events crypto".split())
_REACHES = re.compile(r"\beval\b|\bFunction\s*\(|\bcreateRequire\b|\.binding\b|\bdlopen\b|\bDeno\b"
                      r"|\bBun\b|\bgetBuiltinModule\b|\bmainModule\b|\bchildren\b")  # fmt: skip


def code(look: Look, path: str, seen: set[str] | None = None) -> None:
    """Note a file of JavaScript that loads nothing but files of its kind."""
    seen = set() if seen is None else seen
    found = next((p for p in (path, f"{path}.js", f"{path}.cjs", f"{path}.json", f"{path}/index.js")
                  if look.kind(p) == "file"), "")  # fmt: skip
    if not found:
        refuse(SCRIPT, f"a script needs {path}, which is not among the copied files", "none")
    look.has(found)
    if found in seen or found.endswith(".json"):
        return
    seen.add(found)
    if not found.endswith((".js", ".cjs", ".mjs")) or len(seen) > MAX_DEPTH:
        refuse(SCRIPT, f"what {found} reads is not known", "none")
    alone(look, look.text(found), found, seen)


def alone(look: Look, text: str, path: str, seen: set[str]) -> None:
    """Refuse JavaScript that can read files, and note the modules that it loads."""
    if len(text) > MAX_CODE:
        refuse(SCRIPT, f"{path} is too large to look into", "none")
    modules = [(one or other).removeprefix("node:") for one, other in _MODULE.findall(text)]
    if len(_LOADS.findall(text)) != len(modules) or _REACHES.search(text):
        refuse(SCRIPT, f"what {path} reads is not known", "copy what it needs first by hand")
    for module in modules:
        if module.startswith("."):
            code(look, look.at(module, posixpath.dirname(path)), seen)
        elif module not in _BUILT_IN:
            refuse(SCRIPT, f"{path} uses {module}, and may read the sources", "none")


def dependency_scripts(package: Package, names: Mapping[str, object]) -> None:
    """Note what the install scripts of well-known dependencies read of the project."""
    look, folder = package.look, package.folder
    if "@prisma/client" in names:
        prisma(package)
    for tool in sorted(set(_HOOKS) & set(names)):
        if tool != "husky" or not re.match(r"\D*(?:[5-9]|\d\d)\.", str(names[tool])):
            hooks(look, folder, tool)
    if "nx" in names:
        refuse(BUILDS, "the install script of nx looks at the whole project", "none")
    if "puppeteer" in names:
        for name in look.names(folder):
            if re.match(r"\.puppeteerrc|puppeteer\.config\.", name):
                code(look, f"{folder}/{name}")
    if "msw" in names:
        for worker in strings(table(package.data.get("msw")).get("workerDirectory")):
            look.write(look.at(worker, folder))
