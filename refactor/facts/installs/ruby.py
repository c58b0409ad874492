"""Bundler and gem."""

from __future__ import annotations

import posixpath
import re

from refactor.facts.installs.options import action, parse, row_of
from refactor.facts.installs.reading import MISSING, OPEN, PROJECT, SCRIPT, Look, refuse

MAX_GEMFILES = 20
# What a Gemfile's lines begin with that say what to install, and nothing else.
_STATEMENT = re.compile(
    r"(?:gem|source|group|platforms?|git_source|github|git|ruby|if|unless|elsif|else|end|install_if|"
    r"case|when|then|begin|rescue|puts|warn|raise|abort|exit)\b|[\]})]+|[a-z_]\w*\s*(?:\|\||&&)?=[^=~]"
)
_REACHES = re.compile(
    r"\b(?:File|IO|Dir|Pathname|FileUtils|Kernel|Object|Bundler|Gem|YAML|JSON|open|read|eval|"
    r"instance_eval|class_eval|system|exec|spawn|send|public_send|require|require_relative|load|"
    r"autoload|__dir__|__FILE__|gemspec|eval_gemfile|plugin)\b|`|%x|\bfile:/|\bpath:|:path\b|\"path\"|'path'"
)
_LOCAL_GIT = re.compile(r"\bgit(?::|['\"]?\s*=>|\s)\s*['\"](?!https?:|git@|ssh:|git:)")
_REQUIRES = re.compile(r"\brequire:|:require\b")
_VERSION_FILE = re.compile(
    r"ruby\s+(?:file:\s*|File\.read\(\s*)(['\"])([\w./-]+)\1\s*\)?(?:\.(?:strip|chomp))*\s*\Z"
)
_EVAL = re.compile(r"eval_gemfile[\s(]+(['\"])([\w./-]+)\1\)?\s*\Z")


def bundle(words: tuple[str, ...], look: Look) -> str | None:
    """Read `bundle install` and `bundle check`, and settings of bundler."""
    rest = tuple(w for w in words[1:] if not re.fullmatch(r"_[\d.]+_", w))
    verb = action(rest, "bundle")
    if verb == "config":
        return _config(rest, look)
    quiet = {"--version", "-v", "--help", "-h"} & set(rest)
    if verb not in ("install", "check", "") or (not verb and quiet):
        return None
    look.program(words[0])
    look.allow("BUNDLE_", row_of("bundle").settings)
    found = parse(rest, look, "bundle")
    if found.arguments[1:]:
        refuse(OPEN, f"what `{found.arguments[1]}` asks for is not followed", "leave it out")
    if re.search(r"(?:^|\s)-[rI]", look.value("RUBYOPT")):
        refuse(SCRIPT, "RUBYOPT loads files", "unset it for the install")
    named = (found.values("--gemfile") or [look.value("BUNDLE_GEMFILE")])[-1]
    gemfile = look.at(named or "Gemfile")
    folder = posixpath.dirname(gemfile)
    settings = _settings(look, folder)
    _gemfile(look, gemfile, set())
    lock = f"{gemfile}.lock"
    if look.has(lock) and re.search(r"(?m)^PATH$", look.text(lock)):
        refuse(PROJECT, f"{lock} has a gem that is a folder", "publish it")
    look.takes(".ruby-version", ".tool-versions", "gems.rb", folder=folder)
    if look.kind(f"{folder}/vendor/cache") == "dir":
        look.whole(f"{folder}/vendor/cache")
        look.write("vendor/cache", folder=folder)
    if verb == "check":
        return "bundler"
    for place in (*found.values("--path"), look.value("BUNDLE_PATH"), settings.get("PATH", "")):
        if place:
            look.makes(look.at(place, folder))
    look.makes("vendor/bundle", folder=folder)
    look.write(".bundle/config", folder=folder)
    frozen = found.has("--deployment", "--frozen") or {"FROZEN", "DEPLOYMENT"} & set(settings)
    if not (frozen or look.on("BUNDLE_FROZEN") or look.on("BUNDLE_DEPLOYMENT")):
        look.write(lock)
    return "bundler"


def _settings(look: Look, folder: str) -> dict[str, str]:
    """Note bundler's settings in a project, and return them."""
    place = look.value("BUNDLE_APP_CONFIG") or ".bundle"
    path = posixpath.join(look.at(place, folder), "config")
    found: dict[str, str] = {}
    for line in look.take(path).splitlines():
        match = re.fullmatch(r"BUNDLE_([\w.:/-]+):\s*\"?([^\"]*)\"?\s*", line)
        if not match and line.strip() not in ("", "---"):
            refuse(OPEN, f"{path}: `{line[:60]}` is not read", "write it plainly")
        if match and not _known(match[1], match[2]):
            refuse(OPEN, f"{path}: what BUNDLE_{match[1]} does is not known", "leave it out")
        if match and match[2].lower() != "false":
            found[match[1]] = match[2]
    return found


def _known(name: str, value: str) -> bool:
    """Whether a setting names nothing but a folder that gems are put in."""
    if name in ("GEMFILE", "BIN", "CACHE_PATH", "APP_CONFIG", "USER_HOME") or "file:" in value:
        return False
    credential = re.fullmatch(r"(?:BUILD__\w+|(?!LOCAL|SSL)\w+__(?:COM|ORG|IO|NET|DEV))", name)
    return f"BUNDLE_{name}" in row_of("bundle").settings or bool(credential)


_PLAIN_SETTINGS = frozenset(
    "without with deployment frozen jobs retry force_ruby_platform silence_root_warning clean "
    "build.nokogiri build.sassc build.pg github.https timeout no_prune specific_platform "
    "disable_shared_gems gems.contribsys.com enterprise.contribsys.com cache_all version".split()
)


def _config(words: tuple[str, ...], look: Look) -> str | None:
    """Read settings of bundler that name no file; a path is refused."""
    plain = [word for word in words[1:] if not word.startswith("-")]
    if plain[:1] == ["set"]:
        plain = plain[1:]
    if len(plain) < 2 or plain[0] in ("get", "list", "unset"):
        return None
    if plain[0] not in _PLAIN_SETTINGS:
        refuse(OPEN, f"what bundler does with {plain[0]} is not followed", "BUNDLE_PATH")
    look.takes("Gemfile", ".bundle/config")
    look.write(".bundle/config")
    return "bundler"


def _gemfile(look: Look, path: str, seen: set[str]) -> None:
    if path in seen or len(seen) > MAX_GEMFILES:
        return
    seen.add(path)
    folder = posixpath.dirname(path)
    for line in _statements(look.need(path)):
        version, nested = _VERSION_FILE.match(line), _EVAL.match(line)
        if version:
            look.need(look.at(version[2], folder))
        elif nested:
            _gemfile(look, look.at(nested[2], folder), seen)
        elif re.search(r"^gemspec|\bpath:|:path\b|^path\b", line) or _LOCAL_GIT.search(line):
            refuse(PROJECT, f"{path}: `{line[:60]}` builds a gem of the sources", "publish it")
        elif not _STATEMENT.match(line) or _REACHES.search(_REQUIRES.sub("", line)):
            refuse(SCRIPT, f"{path}: `{line[:60]}` may read other files", "write it plainly")


def _statements(text: str) -> list[str]:
    """Return the lines of a Gemfile; those that end in a comma or bracket go on."""
    found: list[str] = []
    held = ""
    for line in text.splitlines():
        plain = re.sub(r"(?:^|\s)#(?!\{).*", "", line).strip()
        if not plain:
            continue
        held = f"{held} {plain}".strip()
        if not plain.endswith((",", "[", "(", "\\")):
            found.append(held)
            held = ""
    return [*found, held] if held else found


def gem(words: tuple[str, ...], look: Look) -> str | None:
    """Read `gem install` of gems by name, and `gem update --system`."""
    verb = action(words[1:], "gem")
    if verb not in ("install", "i", "update"):
        return None
    look.program(words[0])
    found = parse(words[1:], look, "gem")
    for name in found.arguments[1:]:
        if re.fullmatch(r"\"?[A-Za-z][\w-]*:v?\"?\$\{?\w+\}?\"?", name):
            look.assume(f"{name} is one word")
        elif not re.fullmatch(r"[A-Za-z0-9][\w-]*(?::[\w.]+)?|\d[\w.]*", name):
            refuse(OPEN, f"`{name[:60]}` is not read as a gem", "write it plainly")
    if any(name.endswith(".gem") for name in look.names(look.cwd)):
        refuse(MISSING, f"{look.cwd} has gems, and they are looked at first", "none")
    for value in found.values("-i", "--install-dir", "-n", "--bindir"):
        if not value.startswith('"') and "$" not in value:
            look.write(look.at(value))
        else:
            refuse(OPEN, f"where {value} is, is not known", "write it out")
    if not found.arguments[1:] and not found.has("--system"):
        refuse(OPEN, "what it installs is not named", "name the gems")
    return "gem"
