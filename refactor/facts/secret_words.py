"""What is a secret by its name, its value or its file; and how a text is told without its values.

The table is `secrets.tsv`. A value is never told, not even in part: where it has to be spoken of,
it is said what it is. The table errs on the side of silence: a name that only looks like a secret's
costs more trust than one that is missed.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from refactor.knowledge import table

MAX_TEXT = 64 * 1024  # characters of an instruction that are looked through
MAX_NAME = 128
MASK = "****"
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[-.]")
_WORDS = re.compile(r"[A-Za-z]+")
_ASSIGNED = re.compile(r"(?<![\w$])(\w{3,128})(=[\"']?)([^\s\"'$&|;]+)")
# Without one of these no pattern of the table fits: most texts need no closer look.
_HINTS = {
    "value": tuple(
        "AKIA ASIA ABIA ACCA AIza ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- gldt- glrt- glcbt- "
        "glptt- glft- glsoat- glimt- xox hooks.slack npm_ pypi- KEY----- eyJ _live_ SG. sk- hf_ "
        "dckr_".split()
    ),
    "credentials": ("@", "-u ", "-u=", "-user", "chpasswd", "_authToken"),
}
_HEADER = "author"  # of `Authorization`, in any case


class Value(NamedTuple):
    """Where a secret stands in a text, and what it is."""

    start: int
    end: int
    what: str


@lru_cache(maxsize=4096)
def of_name(name: str) -> str:
    """Return what a variable of this name holds, empty if that is no secret."""
    if len(name) > MAX_NAME:
        return ""
    upper = _HUMP.sub("_", name.strip("\"'")).upper()
    if any(pattern.fullmatch(upper) for pattern, _ in _patterns("no-name")):
        return ""
    return next((what for p, what in _patterns("name") if p.fullmatch(upper)), "")


@lru_cache(maxsize=4096)
def of_file(path: str) -> str:
    """Return what a file of this path holds, empty if that is no secret."""
    parts = path.strip("\"'").replace("\\", "/").split("/")
    names = (parts[-1], "/".join(parts[-2:]))
    if any(p.fullmatch(name) for p, _ in _patterns("no-file") for name in names):
        return ""
    return next((w for p, w in _patterns("file") if any(p.fullmatch(name) for name in names)), "")


@lru_cache(maxsize=4096)
def of_settings(path: str) -> str:
    """Return what the settings of a file of this path may hold, empty if no secret."""
    name = path.rpartition("/")[2]
    return next((what for p, what in _patterns("settings") if p.fullmatch(name)), "")


def inside(path: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield the names and values that a file of settings holds; no name where all are secrets."""
    base = path.rpartition("/")[2]
    for pattern, names in _patterns("inside"):
        if re.fullmatch(names, base):
            for match in pattern.finditer(text[:MAX_TEXT]):
                found = match.groupdict()
                yield found.get("name") or "", found["value"].strip().strip("\"'")


def is_placeholder(value: str) -> bool:
    """Whether a value stands for one that is given elsewhere, or is known to everybody."""
    value = value.strip("\"'")
    if any(pattern.fullmatch(value) for pattern, _ in _patterns("placeholder")):
        return True
    words = _WORDS.findall(value)
    known = _placeholder_words()
    # Digits and signs between the words make a password of them: `D0cker!a8s`.
    plain = re.fullmatch(r"[A-Za-z]+(?:[-_. ]?[A-Za-z]+)*[-_. ]?\d{0,4}!*", value)
    return bool(plain) and all(word.lower() in known for word in words)


def is_reference(value: str) -> bool:
    """Whether a value only says where a secret is: a path, or a URL without a password."""
    return any(p.fullmatch(value.strip("\"'")) for p, _ in _patterns("reference"))


def is_random(value: str) -> bool:
    """Whether a value looks drawn: 20 characters of three kinds or more, 3.5 bits a character."""
    value = value.strip("\"'")
    if not re.fullmatch(r"[A-Za-z0-9+/=_-]{20,256}", value):
        return False
    kinds = sum(bool(re.search(kind, value)) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    counts = Counter(value).values()
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts)
    return kinds == len("aA0") and bits >= 3.5


def values(text: str) -> Iterator[Value]:
    """Yield the secrets that stand in a text as they are, in order; none that a variable holds."""
    text = text[:MAX_TEXT]
    found: list[Value] = []
    if any(map(text.__contains__, _HINTS["value"])):
        for pattern, what in _patterns("value"):
            found += (Value(m.start(), m.end(), what) for m in pattern.finditer(text))
    if any(map(text.__contains__, _HINTS["credentials"])) or _HEADER in text.lower():
        for pattern, what in _patterns("credentials"):
            for match in pattern.finditer(text):
                value = match["value"]
                if "$" not in value and "`" not in value and not is_placeholder(value):
                    found.append(Value(match.start("value"), match.end("value"), what))
    end = 0
    for value in sorted(found):
        if value.start >= end:
            yield value
            end = value.end


@lru_cache(maxsize=1024)  # the reasons of refusals, mostly: a few hundred sentences
def mask(text: str) -> str:
    """Return a text with stars for the secrets in it: those known by their form or their name."""
    found = list(values(text))
    for match in _ASSIGNED.finditer(text[:MAX_TEXT]):
        if of_name(match[1]) and not is_reference(match[3]):
            found.append(Value(match.start(3), match.end(3), ""))
    for value in sorted(found, reverse=True):
        text = text[: value.start] + MASK + text[value.end :]
    return text


@lru_cache(maxsize=16)
def _patterns(kind: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    rows = (row for row in table("secrets") if row["kind"] == kind)
    return tuple((re.compile(row["pattern"]), row["what"]) for row in rows)


@lru_cache(maxsize=1)
def _placeholder_words() -> frozenset[str]:
    rows = (row for row in table("secrets") if row["kind"] == "placeholder-words")
    return frozenset(word for row in rows for word in row["pattern"].split())
