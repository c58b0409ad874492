"""Where files come from: digests without a position, and which events may change places."""

from __future__ import annotations

import time
from pathlib import PurePath

import pytest

from refactor.effects import Build
from refactor.effects.provenance import MAX_WRITES, TOP, FileSystem, Trace, footprint, trace
from refactor.model import Claim, Effect
from refactor.snapshot import Snapshot
from refactor.syntax import parse
from refactor.verify import Evidence, verify


def evidence(text: str) -> Evidence:
    """Return what the verifier compares of a text."""
    return Snapshot(PurePath("Dockerfile"), text, parse(text)).evidence


def build(*lines: str) -> Build:
    """Return the effects of one stage whose directory is known."""
    return evidence("\n".join(["FROM debian", "WORKDIR /w", *lines, ""])).build


def traced(*lines: str) -> Trace:
    """Return the trace of one stage."""
    return trace(build(*lines))[0]


def swapped(one: str, other: str, first: str = "") -> str | None:
    """Return what the verifier says of two lines that change places."""
    start = f"FROM debian\nWORKDIR /w\n{first}\n"
    texts = [f"{start}{a}\n{b}\n" for a, b in ((one, other), (other, one))]
    claim = Claim(Effect.ORDER, frozenset({"stage 0"}))
    return verify(evidence(texts[0]), evidence(texts[1]), [claim], [])


COMMUTE = [
    ("RUN mkdir /a", "RUN mkdir /b"),
    ("RUN mkdir a", "RUN mkdir b"),
    ("RUN touch /a/b", "RUN cp /c /d"),
    ("RUN useradd u", "RUN mkdir /b"),
    ("RUN echo a > /x", "RUN cat /y"),
    ("RUN chmod 755 /x/y", "RUN chmod 700 /z/y"),
    ("RUN mkdir /a && mkdir /b", "RUN mkdir /c"),
    ("RUN mkdir /a && mkdir /b", "RUN mkdir /c && mkdir /d"),
    ("RUN if true; then mkdir /a; fi", "RUN mkdir /b"),
    ("COPY a /a", "COPY b /b"),
    ("COPY a b", "COPY c d"),
    ("COPY a /a", "COPY b /ab"),
    ("COPY a /a", "RUN cat /b"),
    ("COPY --from=other a /a", "COPY b /b"),
    ("COPY --chown=1000:1000 a /b", "RUN useradd u"),
    ("ADD a /a", "RUN mkdir /b"),
]
CLASH = {
    "one path": ("RUN touch /a", "RUN rm /a"),
    "a path and one below": ("RUN touch /a", "RUN touch /a/b"),
    "a written path is read": ("RUN touch /a", "RUN cat /a"),
    "one below it is read": ("RUN touch /a/b", "RUN ls /a"),
    "one above it is read": ("RUN chmod 700 /a", "RUN cat /a/b"),
    "a redirection is read": ("RUN echo a > /x", "RUN cat < /x"),
    "a redirection writes the same": ("RUN echo a >> /x", "RUN echo b >> /x"),
    "unknown commands": ("RUN ./a", "RUN ./b"),
    "an unknown command and a known one": ("RUN ./a", "RUN mkdir /b"),
    "an unknown command and a copy": ("RUN ./a", "COPY b /b"),
    "a script that is not read": ("RUN mkdir /a # b", "COPY b /b"),
    "a heredoc": ("RUN <<E\nmkdir /a\nE", "COPY b /b"),
    "a variable is a path": ("RUN mkdir $a", "COPY b /b"),
    "a pattern is a path": ("RUN rm /a*", "COPY b /b"),
    "a substitution": ("RUN mkdir /$(cat /x)", "COPY b /b"),
    "another directory": ("RUN cd /b && mkdir a", "COPY b /b"),
    "a copy is read": ("COPY a /a", "RUN cat /a"),
    "two copies to one path": ("COPY a /a", "COPY b /a"),
    "a copy into another": ("COPY a /a", "COPY b /a/b"),
    "a copy into everything": ("COPY a /", "COPY b /b"),
    "a copy to a variable": ("COPY a $A", "COPY b /b"),
    "a relative copy into the directory": ("COPY a .", "RUN ls"),
    "the owner does not exist yet": ("RUN useradd u", "COPY --chown=u a /b"),
    "the program does not exist yet": ("COPY mkdir /usr/local/bin/mkdir", "RUN mkdir /a"),
    "the program is installed": ("RUN apt-get install -y bzip2", "RUN bzip2 /a"),
    "two names of one folder": ("RUN touch /bin/x", "RUN cp /usr/bin/x /y"),
    "a mount": (
        "RUN --mount=type=cache,id=k,target=/a touch /a/x",
        "RUN --mount=type=cache,id=k,target=/b cat /b/x",
    ),
    "packages": ("RUN apt-get install -y a", "RUN apt-get install -y b"),
    "lists": ("RUN apt-get update", "RUN apt-get install -y a"),
    "users": ("RUN useradd u", "RUN useradd v"),
    "a directory in between": ("RUN mkdir a", "WORKDIR /x"),
}


@pytest.mark.parametrize(("one", "other"), COMMUTE)
def test_what_does_not_meet_may_change_places(one: str, other: str) -> None:
    assert swapped(one, other) is None
    assert sorted(traced(one, other).digests) == sorted(traced(other, one).digests)


@pytest.mark.parametrize(("one", "other"), CLASH.values(), ids=CLASH)
def test_what_meets_may_not(one: str, other: str) -> None:
    assert swapped(one, other) is not None


@pytest.mark.xfail(strict=True, reason="links that a command makes are not followed")
def test_a_link_is_followed() -> None:
    assert swapped("RUN touch /a/x", "RUN cp /b/x /y", "RUN ln -s /a /b") is not None


def test_a_named_user_must_exist() -> None:
    lines = ("USER u", "RUN touch /x", "USER root", "RUN userdel u", "USER u")
    after = (*lines[2:4], *lines[:2], lines[4])
    assert sorted(traced(*lines).digests) != sorted(traced(*after).digests)


def test_the_order_of_more_than_two() -> None:
    lines = [f"RUN mkdir /{name}" for name in "abcdef"]
    assert swapped("\n".join(lines), "COPY x /x") is None
    assert swapped("\n".join(lines), "COPY x /c/x") is not None


def test_a_claim_for_another_stage_is_none() -> None:
    one, two = "FROM debian\nCOPY a /a\nCOPY b /b\n", "FROM debian\nCOPY b /b\nCOPY a /a\n"
    claim = Claim(Effect.ORDER, frozenset({"stage 1"}))
    assert "where" in (verify(evidence(one), evidence(two), [claim], []) or "")


@pytest.mark.parametrize(
    ("line", "reads", "writes"),
    [
        ("COPY a /a", set(), {"/a"}),
        ("COPY a b c/", set(), {"/w/c"}),
        ("COPY a $A", set(), {TOP}),
        ("COPY --chown=u a /a", {"/etc/passwd", "/etc/group"}, {"/a"}),
        ("COPY --chown=1:2 a /a", set(), {"/a"}),
        ("RUN echo a", set(), set()),
        ("RUN echo a > b", {"/w/b"}, {"/w/b"}),
        ("RUN true < b", {"/w/b"}, set()),
        ("RUN unknown", {TOP}, {TOP}),
        ("RUN echo $(unknown)", {TOP}, {TOP}),
        ("RUN <<E\na\nE", {TOP}, {TOP}),
        ("RUN echo a > b | echo c > d", {"/w/b", "/w/d"}, {"/w/b", "/w/d"}),
    ],
)
def test_footprint(line: str, reads: set[str], writes: set[str]) -> None:
    (event,) = build(line).stages[0].events
    found = footprint(event)
    assert (set(found[0]), set(found[1])) == (reads, writes)


def test_a_program_is_read() -> None:
    (event,) = build("RUN mkdir /a --mode=1").stages[0].events
    reads, writes = footprint(event)
    assert {"/usr/bin/mkdir", "/usr/local/bin/mkdir"} <= reads
    assert "/a" in writes


def test_a_digest_says_what_is_read() -> None:
    one, other = traced("COPY a /a", "RUN cat /a"), traced("COPY b /a", "RUN cat /a")
    assert one.digests[1] != other.digests[1]
    apart = traced("COPY a /b", "RUN cat /a")
    assert apart.digests[1] == traced("RUN cat /a").digests[0]


def test_a_digest_says_under_what() -> None:
    digests = {
        traced(*before, "RUN mkdir /a").digests[-1]
        for before in ((), ("ENV A=1",), ("USER 1",), ('SHELL ["/bin/bash", "-c"]',))
    }
    assert len(digests) == 4


STAGES = "FROM debian AS one\nWORKDIR /\n{}\nFROM debian\nCOPY --from={} {} /x\n"


def copied(first: str, source: str = "/a", origin: str = "one") -> str:
    """Return the digest of a COPY from another stage."""
    text = STAGES.format(first, origin, source)
    return trace(evidence(text).build)[1].digests[0]


def test_a_copy_from_a_stage_is_of_what_is_there() -> None:
    assert copied("COPY b /a") == copied("COPY b /a")
    assert copied("COPY b /a") != copied("COPY c /a")
    assert copied("COPY b /a/d") != copied("COPY c /a/d")
    assert copied("RUN ./b") != copied("RUN ./c")


def test_a_copy_from_a_stage_is_of_no_more() -> None:
    assert copied("COPY b /other") == copied("COPY c /other")
    assert copied("COPY b /other") == copied("RUN mkdir /b")


def test_a_copy_from_a_stage_by_a_pattern_is_of_everything() -> None:
    assert copied("COPY b /other", "/a*") != copied("COPY c /other", "/a*")
    assert copied("COPY b /other", "/") != copied("COPY c /other", "/")


def test_a_copy_from_an_image_is_of_that_image() -> None:
    assert copied("COPY b /a", origin="x") == copied("COPY c /a", origin="x")
    assert copied("COPY b /a", origin="x") != copied("COPY b /a", origin="y")


def test_a_stage_starts_with_the_files_of_its_parent() -> None:
    def last(first: str) -> str:
        text = f"FROM debian AS one\nWORKDIR /w\n{first}\nFROM one\nRUN cat /a\n"
        return trace(evidence(text).build)[1].digests[0]

    assert last("COPY b /a") != last("COPY c /a")
    assert last("COPY b /c") == last("COPY c /c")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([("/a", "1"), ("/b", "2")], [("/b", "2"), ("/a", "1")], True),
        ([("/a", "1"), ("/a", "2")], [("/a", "2"), ("/a", "1")], False),
        ([("/a", "1"), ("/a/b", "2")], [("/a/b", "2"), ("/a", "1")], False),
        ([("/a/b", "1"), ("/a/c", "2")], [("/a/c", "2"), ("/a/b", "1")], True),
        ([("/a", "1"), ("/ab", "2")], [("/ab", "2"), ("/a", "1")], True),
        ([("/a", "1")], [("/a", "2")], False),
        ([("/a", "1")], [], False),
        ([("/", "1"), ("/a", "2")], [("/", "1"), ("/a", "2")], True),
        ([("/", "1"), ("/a", "2")], [("/a", "2"), ("/", "1")], False),
        ([], [], True),
    ],
)
def test_the_same_files(
    one: list[tuple[str, str]], other: list[tuple[str, str]], same: bool
) -> None:
    traces = []
    for writes in (one, other):
        files = FileSystem("base")
        for region, origin in writes:
            files.write(region, origin)
        traces.append(Trace((), files))
    assert traces[0].same_files(traces[1]) is same
    assert traces[1].same_files(traces[0]) is same
    assert (traces[0].files.view("/") == traces[1].files.view("/")) is same


def test_another_base_has_other_files() -> None:
    one, other = (Trace((), FileSystem(base)) for base in "ab")
    assert not one.same_files(other)


def test_a_view_is_of_one_region() -> None:
    files = FileSystem("base")
    views = [files.view("/a"), files.view("/b")]
    files.write("/a/b", "1")
    assert files.view("/a") != views[0]
    assert files.view("/b") == views[1]
    assert files.view("/a/c") == FileSystem("base").view("/a/c")


def test_many_writes_become_a_new_base() -> None:
    files = FileSystem("base")
    for number in range(MAX_WRITES):
        files.write(f"/{number}", "1")
    assert (files.base, len(files.writes)) == ("base", MAX_WRITES)
    before = files.view("/x")
    files.write("/last", "1")
    assert files.base != "base"
    assert files.writes == []
    assert files.view("/x") != before  # what is where is no longer known


def test_behind_many_writes_places_may_still_change() -> None:
    many = "\n".join(f"RUN mkdir /d{number}" for number in range(MAX_WRITES + 10))
    assert swapped(f"{many}\nRUN mkdir /a", "RUN mkdir /b") is not None  # /b moves past them all
    before, after = (
        traced(*many.split("\n"), *pair)
        for pair in (("COPY a /a", "COPY b /b"), ("COPY b /b", "COPY a /a"))
    )
    assert sorted(before.digests) == sorted(after.digests)
    assert before.same_files(after)


def test_thousands_of_events_take_no_time() -> None:
    kinds = ("RUN mkdir /d{0}", "COPY a{0} /x{0}", "RUN touch /y/{0} && cp /y/{0} /z", "RUN ./s{0}")
    found = build(*(kind.format(number) for number in range(500) for kind in kinds))
    started = time.process_time()
    assert len(trace(found)[0].digests) == 2500
    assert time.process_time() - started < 2
