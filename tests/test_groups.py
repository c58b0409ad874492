"""Which changes of a campaign are equal: what a reviewer calls the same, and nothing else."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from refactor.compose import Step
from refactor.config import Config
from refactor.engine import outcome, unsound
from refactor.fleet.groups import Group, hashes
from refactor.fleet.holes import PACKAGE, Token, filled, shape, tokens
from refactor.model import Change, Claim, Effect, Safety
from refactor.registry import entries
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span, Unreadable, decode
from refactor.syntax import ParseError, parse
from tests import corpus

ALL = Config(level=Safety.RISKY, select=("all",))


def steps(text: str, select: str = "all") -> list[Step]:
    """Return the changes of a text."""
    config = Config(level=Safety.RISKY, select=(select,))
    return list(outcome("Dockerfile", parse(text), config)[1].steps)


def only(text: str, transform: str) -> Group:
    """Return the groups of the one change that a transform makes."""
    (step,) = [step for step in steps(text, transform) if step.transform.id == transform]
    return hashes(step)


def groups(text: str) -> Counter[tuple[str, str, Group]]:
    """Return the groups of all changes of a text."""
    return Counter((s.transform.id, s.change.reason, hashes(s)) for s in steps(text))


APT = "FROM debian:12\nRUN apt-get update && apt-get install -y {}\n"
PIP = "FROM python:3.12\nRUN pip install {}\n"
SAME = {
    "another place": ("FROM debian:12\nENV A b\n", "FROM debian:12\nRUN x\nRUN y\nENV A b\n"),
    "another layout": (
        "FROM debian:12\nENV A=1\nRUN pip install x && \\\n    true\n",
        "FROM debian:12\nRUN pip  install \\\n# so\n    x && true\n",
    ),
    "another command of the RUN": (PIP.format("x"), PIP.format("x && make")),
    "another tag of the base": (PIP.format("x"), "FROM python:3.11\nRUN pip install x\n"),
    "another number of stages": (
        APT.format("curl"), "FROM alpine AS unrelated\nLABEL a=b\n" + APT.format("curl")
    ),
}  # fmt: skip
SHAPED = {
    "packages": (PIP.format("x"), PIP.format("y==1.2 z")),
    "a path": (PIP.format("-r a/requirements.txt"), PIP.format("-r b.txt")),
    "a variable": ("FROM debian:12\nENV A b\n", "FROM debian:12\nENV C d\n"),
    "a stage's name": ("FROM debian:12 as a\n", "FROM debian:12 as b\n"),
    "an image's version": ("FROM debian:12 as a\n", "FROM debian:11 as a\n"),
    "sources": ("FROM debian:12\nADD a.txt /x/\n", "FROM debian:12\nADD b.txt /y/\n"),
}
APART = {
    "options": (PIP.format("x"), PIP.format("--user x")),
    "families": (PIP.format("x"), "FROM python:3.12-alpine\nRUN pip install x\n"),
    "programs": (PIP.format("x"), "FROM python:3.12\nRUN pip3 install x\n"),
    "what is added": (
        APT.format("curl"), APT.format("wget curl ca-certificates")
    ),
}  # fmt: skip


def transform_of(text: str) -> str:
    """Return the first transform that changes a text, of those that these tests are about."""
    ids = ("skip-pip-cache", "skip-apt-recommends", "use-key-value-form", "match-as-case",
           "use-copy-for-local-files")  # fmt: skip
    found = {step.transform.id for step in steps(text)}
    return next(id for id in ids if id in found)


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_what_counts_for_nothing(pair: tuple[str, str]) -> None:
    one, two = pair
    assert only(one, transform_of(one)) == only(two, transform_of(one))


@pytest.mark.parametrize("pair", SHAPED.values(), ids=SHAPED)
def test_what_one_shape_may_differ_in(pair: tuple[str, str]) -> None:
    one, two = (only(text, transform_of(text)) for text in pair)
    assert one.exact != two.exact
    assert one.shape == two.shape


@pytest.mark.parametrize("pair", APART.values(), ids=APART)
def test_what_no_shape_may_differ_in(pair: tuple[str, str]) -> None:
    one, two = (only(text, transform_of(text)) for text in pair)
    assert one.exact != two.exact
    assert one.shape != two.shape


def made(before: str, after: str, **more: object) -> Group:
    """Return the groups of a change of a transform that there is not."""
    text = f"FROM debian:12 AS build\nRUN true\n{before}\n"
    snapshot = Snapshot(Path("Dockerfile"), text, parse(text))
    at = text.index(before)
    change = Change("why", (Edit(Span(at, at + len(before)), after),), **more)  # type: ignore[arg-type]
    transform = next(entry for entry in entries() if entry.id == "merge-runs").transform
    return hashes(Step(transform, change, snapshot))


def test_level_claims_and_assumptions_count() -> None:
    change = ("ENV A b", "ENV A=b")
    found = [
        made(*change),
        made(*change, level=Safety.RISKY),
        made(*change, claims=(Claim(Effect.ENV, frozenset({"A"})),)),
        made(*change, claims=(Claim(Effect.CACHES, frozenset({"A"})),)),
        made(*change, assumes=("nobody reads A",)),
        made(*change, assumes=("nobody reads A", "it is late")),
    ]
    assert len({group.exact for group in found}) == len(found)
    assert len({group.shape for group in found}) == len(found)
    assert made(*change, assumes=("b", "a")) == made(*change, assumes=("a", "b", "b"))


def test_what_is_written_anew_is_no_hole() -> None:
    slim = made("FROM python:3.9", "FROM python:3.9-slim")
    assert slim.shape == made("FROM python:3.11", "FROM python:3.11-slim").shape
    assert slim.shape != made("FROM python:3.9", "FROM python:3.11-slim").shape
    assert slim.shape != made("FROM ruby:3.9", "FROM ruby:3.9-slim").shape
    assert made("RUN rm /a", "RUN rm /b").shape != made("RUN rm /a", "RUN rm /c").shape
    assert made("RUN rm /a", "RUN rm /b").shape != made("RUN rm /c", "RUN rm /b").shape


def test_a_hole_is_the_same_wherever_it_is() -> None:
    kept = made("COPY a/b c/d", "COPY --link a/b c/d")
    assert kept.shape == made("COPY e/f g/h", "COPY --link e/f g/h").shape
    assert kept.shape != made("COPY a/b c/d", "COPY --link c/d a/b").shape
    assert kept.shape != made("COPY a/b a/b", "COPY --link a/b a/b").shape


def test_a_path_that_is_completed_is_still_the_same() -> None:
    change = made("WORKDIR app", "WORKDIR /src/app")
    assert change.shape == made("WORKDIR web", "WORKDIR /src/web").shape
    assert change.shape != made("WORKDIR app", "WORKDIR /opt/app").shape
    assert change.shape != made("WORKDIR app", "WORKDIR /src/other").shape
    assert change.exact != made("WORKDIR web", "WORKDIR /src/web").exact
    copied = made("COPY a/ b/", "COPY a/ /w/b/")
    assert copied.shape == made("COPY c/d e/", "COPY c/d /w/e/").shape


def test_packages_that_go_or_come_are_no_hole() -> None:
    dropped = made("RUN apt-get install a b git", "RUN apt-get install a b")
    assert dropped.shape == made("RUN apt-get install c git", "RUN apt-get install c").shape
    assert dropped.shape != made("RUN apt-get install a b ssh", "RUN apt-get install a b").shape


def test_a_change_about_a_variable_is_of_no_other() -> None:
    about = {"claims": (Claim(Effect.ENV, frozenset({"A"})),)}
    other = {"claims": (Claim(Effect.ENV, frozenset({"B"})),)}
    assert made("ENV A=1", "ARG A=1", **about).shape != made("ENV B=1", "ARG B=1", **other).shape


def test_the_stage_of_a_claim_is_its_role() -> None:
    change = "RUN a", "RUN b"
    own = made(*change, claims=(Claim(Effect.LAYERS, frozenset({"stage 0"})),))
    assert own == made(*change, claims=(Claim(Effect.LAYERS, frozenset({"stage build"})),))
    assert own != made(*change, claims=(Claim(Effect.LAYERS, frozenset({"stage 1"})),))


def test_tokens() -> None:
    def read(text: str, inside: bool = False) -> list[tuple[str, str]]:
        found = tokens(
            text, inside=inside, escape="\\", stages=frozenset({"base"}), heredoc=False
        )  # fmt: skip
        return [(token.written, token.kind) for token in found]

    assert read("FROM base AS x\n# no\nUSER a") == [
        ("FROM", ""), ("base", "stage"), ("AS", ""), ("x", "stage"), ("\n", ""), ("USER", ""),
        ("a", ""),
    ]  # fmt: skip
    assert read('CMD ["a.sh", "-x"]') == [
        ("CMD", ""), ("[", ""), ('"a.sh"', "path"), (",", ""), ('"-x"', ""), ("]", ""),
    ]  # fmt: skip
    assert read("apt-get install -t sid \\\n  # why\n a b=1", inside=True) == [
        ("apt-get", ""), ("install", ""), ("-t", ""), ("sid", ""), ("a", "package"),
        ("b=1", "package"),
    ]  # fmt: skip
    assert read("COPY --from=base --chown=a:b /x y", False)[1:] == [
        ("--from=", ""), ("base", "stage"), ("--chown=", ""), ("a:b", ""), ("/x", "path"),
        ("y", "path"),
    ]  # fmt: skip
    assert read("MAINTAINER Jane 'Doe'") == [("MAINTAINER", ""), ("Jane 'Doe'", "value")]
    assert read("echo 'a  b' \"c d\" | tee /x > y 2>&1", inside=True)[1:3] == [
        ("'a  b'", ""), ('"c d"', ""),
    ]  # fmt: skip
    assert read("'") == [("'", "")]


def test_sentences_have_the_holes_of_the_text() -> None:
    holes = {"curl": PACKAGE, "git": PACKAGE, "/x": "\0path 1", "a b": "\0command 1"}
    assert filled("`curl` is not /x", holes) == f"`{PACKAGE}` is not \0path 1"
    assert filled("install git curl", holes) == f"install {PACKAGE}"
    assert filled("after a b", holes) == "after \0command 1"
    assert filled("curlew", holes) == "curlew"


def test_nobody_can_write_a_hole() -> None:
    one, two = tokens_of("COPY a b"), tokens_of("COPY --link a b")
    found = shape(one, two)
    assert found.before == ("COPY", "\0path 1", "\0path 2")
    assert "\0" not in "".join(token.written for token in (*one, *two))
    with pytest.raises(Unreadable):
        decode(b"COPY \0path b\n")


def tokens_of(text: str) -> tuple[Token, ...]:
    """Return the tokens of an instruction."""
    return tokens(text, inside=False, escape="\\", stages=frozenset(), heredoc=False)


def test_without_tokens_there_is_a_shape() -> None:
    assert shape((), ()) == ((), (), {})


def examples() -> list[tuple[str, str]]:
    """Return the texts of the transforms' examples that they change."""
    return [
        (entry.id, example.before)
        for entry in entries()
        for example in entry.transform.examples
        if example.after is not None
    ]


def test_comments_and_unrelated_instructions_alter_no_group_of_the_examples() -> None:
    seen = 0
    for transform, text in examples():
        before = groups(text)
        if text.lstrip().startswith("#") or not before:
            continue
        for more in ("# a remark\n\n", "FROM scratch AS unrelated\nLABEL org.example.a=b\n"):
            if more[0] == "F" and (
                text[:3].upper() == "ARG" or transform == "unify-instruction-case"
            ):
                continue  # where arguments are in scope, and what case is usual, are others then
            after = groups(more + text)
            assert before <= after, (transform, more, text)
            seen += len(before)
    assert seen > 300


def test_comments_and_labels_alter_no_group_of_the_corpus() -> None:
    rng = random.Random(11)
    seen = parted = 0
    for path in rng.sample(corpus.files(corpus.folder()), 200):
        try:
            text = path.read_bytes().decode()
            if "\r" in text or unsound(parse(text)):
                continue
            before = groups(text)
            for key in [key for key in before if key[0] == "group-metadata"]:
                del before[key]  # lines that a remark stands between are none of its groups
            ins = rng.choice(parse(text).instructions)
            head = text[: ins.span.end]
            head += "" if head.endswith("\n") else "\n"
            after = groups(head + "# a remark\n" + text[ins.span.end :])
        except (ParseError, UnicodeDecodeError):
            continue
        seen += before.total()
        parted += (before - after).total()
    assert seen > 300
    assert parted < seen / 100  # a remark between two RUNs keeps them apart


NEXT = " \\\n"
HUGE = {
    "paths": f"COPY {NEXT.join(f'a{n}/b' for n in range(4_000))} /x/",
    "slashes": "COPY " + "a/" * 30_000 + " /x/",
    "packages": "RUN apt-get install " + " ".join(f"p{n}" for n in range(1500)),
    "quotes": "ENV A " + "'\\\"" * 20_000,
    "variables": f"ENV {NEXT.join(f'A{n}=b' for n in range(4_000))}",
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_time_is_linear(text: str) -> None:
    assumes = tuple(f"`p{n}` is `a{n}/b`" for n in range(1500))
    start = time.process_time()
    made(text, f"{text}z", assumes=assumes)
    assert time.process_time() - start < 5
