"""Where the sources of a build context read, or name, what tools leave beside them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from refactor.knowledge import table
from refactor.sent import Sent
from refactor.snapshot import Snapshot

MAX_FILES = 2_000
MAX_BYTES = 16 * 1024 * 1024
MAX_LOCK = 4 * 1024 * 1024
# What runs in no image, or only says what else to pass over: documents, locks, settings of tools.
_SILENT = re.compile(
    r"""(?:.*/)?(?:
    [^/]*\.(?:md|rst|adoc|svg|css|scss|less|csv|tsv|map|lock|lockb|sum|png|jpe?g|gif|ico|webp|pdf|
              woff2?|ttf|otf|eot|jar|zip|gz|tgz|xz|whl|so|dll|exe|bin|onnx|pt|pb|npy|parquet|ipynb)
    |LICEN[CS]E[^/]*|CHANGELOG[^/]*|AUTHORS|CODEOWNERS
    |package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|packages\.lock\.json|bun\.lock
    |\.gitlab-ci\.yml|\.travis\.yml|azure-pipelines[^/]*|cloudbuild[^/]*\.ya?ml|Jenkinsfile[^/]*
    |bitbucket-pipelines\.yml|\.drone\.yml|appveyor\.yml|skaffold[^/]*\.yaml|Tiltfile
    |\.?[^/]*ignore|\.gitattributes|\.gitmodules|\.flake8|\.coveragerc|\.pylintrc|tox\.ini|mypy\.ini
    |\.editorconfig|\.eslintrc[^/]*|\.prettierrc[^/]*|\.pre-commit-config\.yaml|\.hadolint\.yaml
    |\.env\.(?:example|sample|template|dist)|sonar-project\.properties|renovate\.json
    )\Z|(?:.*/)?(?:\.github|\.gitlab|\.circleci|\.vscode|\.idea|\.git|\.husky)/""",
    re.IGNORECASE | re.VERBOSE,
)
# The path itself, a command that asks about the repository that it is in, or GitPython. What stands
# in front of the word is looked at behind it: so the search for the word is fast.
_GIT = re.compile(
    r"""git(?:
    (?<=\.git)(?<![\w.@)\\-]\.git)(?![\w(-])
    |(?<!\wgit)["',\s\[\]()]{1,6}(?:-C\s+\S+\s+|--git-dir\S*\s+|--no-pager\s+){0,9}["']?
     (?:describe|rev-parse|rev-list|log|show|submodule|status|ls-files|diff|tag|branch|symbolic-ref
     |name-rev|archive|blame|remote|shortlog|ls-tree|cat-file|for-each-ref|merge-base
     |config\ --get|config\ --global\ --add\ safe)\b
    |(?<=import\ git)(?!\w)|(?<=from\ git)\s+import\b
    )""",
    re.VERBOSE,
)
_ENV = re.compile(r"\.env(?<![\w)?\]\\]\.env)(?![\w(])")
# They list what is installed besides: a loader of .env there may be in use.
_LOCKS = re.compile(
    r"(?:.*/)?(?:[^/]+\.lock|go\.sum|package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml)\Z"
)
_LOADER = re.compile(r"dotenv[\w-]{0,20}", re.IGNORECASE)
_COMPOSE = re.compile(r"(?:.*/)?(?:docker-)?compose[\w.-]*\.ya?ml\Z")
# What compose reads on the machine that starts the container, outside of any image.
_ENV_FILES = re.compile(
    r"^[ \t]*(?:env_file:.*|- *(?:path: *)?[\"']?[\w./-]*\.env[\w.]*[\"']?\s*?)$",
    re.MULTILINE,
)


# A file of decisions speaks of what is proposed: if it counted, what it says would not be proposed.
_DECISIONS = re.compile(r'\A\{\s*"version": \d+,\s*"tool": "dockerfile-refactor ')


class Mention(NamedTuple):
    """A place and the text there."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} `{self.text}`"


class Mentions(NamedTuple):
    """The first mention of each name; `complete` is False if there was too much to look through."""

    first: dict[str, Mention]
    complete: bool


def mentions(snapshot: Snapshot) -> Mentions:
    """Look through the sources that are sent (a fact that does not depend on the Dockerfile)."""
    return snapshot.outside(_mentions)


def _mentions(snapshot: Snapshot) -> Mentions:
    sent = snapshot.sent
    found: dict[str, Mention] = {}
    if sent is None or not sent.complete:
        return Mentions(found, False)
    everything = [path for path, kind in sent.files.items() if kind == "file"]
    for path in filter(_LOCKS.match, everything):
        data = sent.context.head(path, MAX_LOCK).decode("utf-8", "replace")
        if match := _LOADER.search(data):
            found[".env"] = Mention(path, data.count("\n", 0, match.start()) + 1, match[0])
    paths = [path for path in everything if not _SILENT.match(path)]
    paths = [path for path in paths if not _tools().intersection(path.split("/"))]
    size = 0
    for path in sorted(paths)[:MAX_FILES]:
        text = _text(sent, path)
        size += len(text)
        if size > MAX_BYTES:
            return Mentions(found, False)
        for name in names():
            if name not in found and (mention := mentioned(name, path, text)):
                found[name] = mention
    return Mentions(found, len(paths) <= MAX_FILES)


def _text(sent: Sent, path: str) -> str:
    text = sent.text(path) or ""
    if "\0" in text[:8192] or _DECISIONS.match(text):
        return ""
    return _ENV_FILES.sub("", text) if _COMPOSE.match(path) else text


@lru_cache(maxsize=1)
def _tools() -> frozenset[str]:
    """Return the names of what belongs to tools: what is in there is no source."""
    rows = (row for row in table("leftovers") if row["guard"] != "made")
    return frozenset(row["pattern"].removeprefix("**/") for row in rows)


def mentioned(name: str, path: str, text: str) -> Mention | None:
    """Return where a text reads or names a leftover."""
    pattern, words = names()[name]
    match = pattern.search(text) if name in text or name == ".git" else None
    at, found = (match.start(), match[0]) if match else _first_word(words, text.lower())
    if not found:
        return None
    return Mention(path, text.count("\n", 0, at) + 1, " ".join(found.split())[:60])


def _first_word(words: tuple[str, ...], lowered: str) -> tuple[int, str]:
    for word in words:
        bare = word.strip("*")
        at = lowered.find(bare)
        while at >= 0:
            end = at + len(bare)
            before, after = lowered[at - 1 : at] if at else "", lowered[end : end + 1]
            inside = bare[0].isalnum() and word[0] != "*" and _is_word(before)
            goes_on = bare[-1].isalnum() and word[-1] != "*" and _is_word(after)
            if not inside and not goes_on:
                return at, bare
            at = lowered.find(bare, end)
    return 0, ""


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


@lru_cache(maxsize=1)
def names() -> dict[str, tuple[re.Pattern[str], tuple[str, ...]]]:
    """Return what tells that a leftover is needed: a pattern, and words in small letters."""
    found = {".git": (_GIT, _words(".git")), ".env": (_ENV, _words(".env"))}
    for row in table("leftovers"):
        name = row["pattern"].removeprefix("**/")
        if row["guard"] == "named":
            escaped = re.escape(name)
            found[name] = (re.compile(rf"{escaped}(?<![\w.-]{escaped})(?![\w-])"), ())
    return found


def _words(name: str) -> tuple[str, ...]:
    rows = (row for row in table("readers") if row["reads"] == name)
    return tuple(word for row in rows for word in row["words"].split())
