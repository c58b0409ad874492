"""Finding, choosing and ordering transforms, those of third parties too; and the law checks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from refactor import edits
from refactor.knowledge import table
from refactor.model import (
    Change,
    Claim,
    Effect,
    Example,
    Finding,
    Phase,
    Refusal,
    Safety,
    Transform,
)
from refactor.registry import Entry, Unusable, entries, ordered, select
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span
from refactor.testing import check

TEMPLATE = '''"""Do a thing."""

from refactor import Phase, transform


@transform(
    phase=Phase.{phase},
    triggers=("{trigger}",),
{extra})
def propose(snapshot, options):
    return ()
'''
Install = Callable[..., None]


def source(phase: str = "FLAGS", trigger: str = "run", extra: str = "") -> str:
    """Return the text of a module with one transform."""
    return TEMPLATE.format(phase=phase, trigger=trigger, extra=extra)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Write modules, and name some in entry points, beside our own."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def install(files: dict[str, str], *points: str) -> None:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        found = [EntryPoint(point, point, "dockerfile_refactor.transforms") for point in points]
        monkeypatch.setattr("refactor.registry.entry_points", lambda group: found)
        entries.cache_clear()

    yield install
    for name in set(sys.modules) - before:
        if name.startswith("third"):
            del sys.modules[name]
    entries.cache_clear()


def named() -> dict[str, Entry]:
    """Return all entries by id."""
    return {entry.id: entry for entry in entries()}


OWN = {
    path.stem.replace("_", "-")
    for path in (Path(__file__).parent.parent / "transforms").glob("[!_]*.py")
}
CLASHING = {"mount-package-caches"}  # what it excludes is on by default
OFF = CLASHING | {
    "compile-python-sources",
    "compile-uv-bytecode",
    "drop-capabilities",
    "forbid-new-privileges",
    "group-metadata",
    "make-root-read-only",
    "mount-build-secrets",
    "mount-secret-files",
    "order-metadata",
    "read-secrets-from-environment",
    "require-non-root",
    "separate-definition-comments",
    "set-seccomp-profile",
    "skip-development-packages",
    "skip-npm-development-packages",
    "sort-packages",
    "start-init",
    "unbuffer-python",
    "use-distroless-base",
    "use-workdir",
}


def test_our_own_are_there_in_order(install: Install) -> None:
    install({})
    assert set(named()) == OWN
    assert [entry.id for entry in entries()] == sorted(OWN)


def test_our_own_may_be_named_by_an_entry_point_too(install: Install) -> None:
    install({}, "transforms")
    assert set(named()) == OWN


def test_a_package_of_a_third_party(install: Install) -> None:
    files = {
        "third_a/__init__.py": "",
        "third_a/_helper.py": "raise SystemError",
        "third_a/do_this.py": source(trigger="this"),
        "third_a/do_that.py": source(trigger="that", extra="    default=False,\n"),
    }
    install(files, "third_a")
    found = named()
    assert set(found) == OWN | {"do-this", "do-that"}
    assert (found["do-this"].triggers, found["do-this"].default) == (("this",), True)
    assert (found["do-that"].triggers, found["do-that"].default) == (("that",), False)
    assert "third_a.do_this" not in sys.modules  # what is needed is read from the text
    assert found["do-this"].transform.title == "Do a thing."
    assert "third_a.do_this" in sys.modules


def test_a_module_of_a_third_party(install: Install) -> None:
    install({"third_one.py": source(trigger="one")}, "third_one:propose")
    entry = named()["third-one"]
    assert (entry.module, entry.triggers, entry.default) == ("third_one", ("one",), True)
    assert entry.transform.phase is Phase.FLAGS


@pytest.mark.parametrize(
    "written",
    [
        "@transform(phase=Phase.FLAGS, triggers=('run',), default=False)",
        "@transform(\n    phase=Phase.FLAGS,\n    triggers=('run',),\n    default = False)",
        "OFF = False\n@transform(phase=Phase.FLAGS, triggers=['a'], default=OFF)",
    ],
    ids=["one line", "blanks", "a name"],
)
def test_a_transform_that_is_off_is_off_however_it_is_written(
    install: Install, written: str
) -> None:
    text = source()
    head, tail = text[: text.index("@transform")], text[text.index("def propose") :]
    install({"third_b/__init__.py": "", "third_b/off.py": f"{head}{written}\n{tail}"}, "third_b")
    assert not named()["off"].default
    assert "off" not in {entry.id for entry in select((), ())}


def test_words_that_cannot_be_read_from_the_text_are_no_words(install: Install) -> None:
    text = source().replace('triggers=("run",),', "triggers=tuple(['run']),")
    install({"third_c/__init__.py": "", "third_c/words.py": text}, "third_c")
    entry = named()["words"]
    assert entry.triggers == ("",)
    assert entry.concerns("anything")


@pytest.mark.parametrize(
    ("words", "concerns"),
    [(("run",), True), (("env", "from"), True), (("env",), False), ((), False)],
)
def test_what_concerns_an_entry(words: tuple[str, ...], concerns: bool) -> None:
    assert Entry("a", "a", words, True).concerns("from a\nrun b\n") is concerns


def test_two_of_one_name_are_an_error(install: Install) -> None:
    files = {"third_d/__init__.py": "", "third_d/merge_runs.py": source()}
    install(files, "third_d")
    with pytest.raises(Unusable, match=r"merge-runs: third_d\.merge_runs, transforms\.merge_runs"):
        entries()


def test_two_third_parties_of_one_name_are_an_error(install: Install) -> None:
    files = {f"{name}/{file}": text for name in ("third_e", "third_f")
             for file, text in (("__init__.py", ""), ("same.py", source()))}  # fmt: skip
    install(files, "third_e", "third_f")
    with pytest.raises(Unusable, match=r"two transforms are called same: third_f\.same"):
        entries()


@pytest.mark.parametrize(
    ("files", "point", "reason"),
    [
        ({}, "third_missing", "third_missing cannot be imported"),
        ({}, "third_missing.inner", "third_missing.inner cannot be imported"),
        ({"third_g.py": "import third_missing\n"}, "third_g", "third_missing"),
        ({"third_h.py": "raise OSError('no')\n"}, "third_h", "third_h cannot be .*no"),
        ({"third_i.py": "def\n"}, "third_i", "third_i cannot be .*SyntaxError"),
        ({"third_j.py": "A = 1\n"}, "third_j", "third_j defines no transform"),
    ],
)
def test_what_cannot_be_used(
    install: Install, files: dict[str, str], point: str, reason: str
) -> None:
    install(files, point)
    with pytest.raises(Unusable, match=reason):
        entries()


def test_a_package_that_cannot_be_imported_says_so_when_it_is_needed(install: Install) -> None:
    install({"third_k/__init__.py": "", "third_k/bad.py": "raise OSError\n"}, "third_k")
    with pytest.raises(Unusable, match=r"third_k\.bad cannot be imported"):
        ordered(select(("bad",), ()))


@pytest.fixture
def chosen(install: Install) -> Callable[..., set[str]]:
    """Return a way to choose among our own and three others."""
    off = "    default=False,\n"
    files = {
        "third_l/__init__.py": "",
        "third_l/on_one.py": source(phase="MERGE"),
        "third_l/off_two.py": source(phase="REPAIR", extra=off),
    }
    install(files, "third_l")

    def choose(wanted: str = "", ignored: str = "") -> set[str]:
        return {entry.id for entry in select(wanted.split(), ignored.split())}

    return choose


def test_select(chosen: Callable[..., set[str]]) -> None:
    assert chosen() == (OWN - OFF) | {"on-one"}
    assert chosen("off-two") == {"off-two"}
    assert chosen("all") == (OWN - CLASHING) | {"on-one", "off-two"}
    assert chosen("off-two all") == chosen("all")
    assert chosen("merge-runs on-one") == {"merge-runs", "on-one"}
    assert chosen("", "on-one merge-runs") == OWN - OFF - {"merge-runs"}
    assert chosen("all", "on-one") == (OWN - CLASHING) | {"off-two"}
    assert chosen("all mount-package-caches") == OWN | {"on-one", "off-two"}
    assert chosen("on-one", "on-one") == set()


@pytest.mark.parametrize("place", [("nothing", ""), ("", "nothing"), ("all nothing", "")])
def test_a_name_that_is_none(chosen: Callable[..., set[str]], place: tuple[str, str]) -> None:
    with pytest.raises(Unusable, match=r"called 'nothing'; there are: .*merge-runs, .*off-two"):
        chosen(*place)


def test_the_order_is_that_of_phases_then_ids(install: Install) -> None:
    install(
        {
            "third_m/__init__.py": "",
            "third_m/z_first.py": source(phase="REPAIR"),
            "third_m/a_last.py": source(phase="MERGE"),
            "third_m/b_last.py": source(phase="MERGE"),
        },
        "third_m",
    )
    found = ordered(select(("b-last", "a-last", "z-first", "skip-pip-cache"), ()))
    assert [t.id for t in found] == ["z-first", "skip-pip-cache", "a-last", "b-last"]
    everything = ordered(select(("all",), ()))
    assert everything == sorted(everything, key=lambda t: (t.phase, t.id))


def test_what_excludes_another_cannot_run_with_it(install: Install) -> None:
    text = source(extra="    excludes=['merge-runs'],\n")
    install({"third_n/__init__.py": "", "third_n/alone.py": text}, "third_n")
    with pytest.raises(Unusable, match="alone excludes merge-runs: ignore one of them"):
        ordered(select((), ()))
    assert "alone" in {t.id for t in ordered(select((), ("merge-runs",)))}
    assert [t.id for t in ordered(select(("alone",), ()))] == ["alone"]


# The laws


Propose = Callable[[Snapshot, Any], Iterator[Finding]]


def upper(snapshot: Snapshot, options: object) -> Iterator[Finding]:
    """Write each RUN in upper case."""
    for ins in snapshot.dockerfile.instructions:
        place = ins.keyword_span
        if ins.keyword == "RUN" and snapshot.text[place.start : place.end] != "RUN":
            yield Change("upper", (edits.replace_keyword(ins, "RUN"),))


STAYS = Example("FROM a\nRUN b\n")
CHANGES = Example("FROM a\nrun b\n", "FROM a\nRUN b\n")
GOOD = Transform(
    "upper-run", "Write RUN in upper case.\n\nWhy not.", Phase.REPAIR, ("run",), upper,
    examples=(STAYS, CHANGES),
)  # fmt: skip


def test_a_good_one_passes() -> None:
    assert check(GOOD) == 2
    module = ModuleType("third")
    module.__dict__["propose"] = GOOD
    assert check(module) == 2


def inserting(text: str, *claims: Claim) -> Propose:
    """Return a transform's function that writes a text at the beginning of each RUN's line."""

    def propose(snapshot: Snapshot, options: object) -> Iterator[Finding]:
        for ins in snapshot.dockerfile.instructions:
            if ins.keyword == "RUN":
                yield Change("insert", (Edit(Span(ins.span.start, ins.span.start), text),), claims)

    return propose


def without_comments(snapshot: Snapshot, options: object) -> Iterator[Finding]:
    """Delete the first line if it is a comment."""
    text = snapshot.text
    if text.startswith("# c"):
        yield Change("delete", (Edit(Span(0, text.index("\n") + 1), ""),))


def swinging(snapshot: Snapshot, options: object) -> Iterator[Finding]:
    """Write RUN in the other case."""
    for ins in snapshot.dockerfile.instructions:
        if ins.keyword == "RUN":
            place = ins.keyword_span
            other = snapshot.text[place.start : place.end].swapcase()
            yield Change("swing", (edits.replace_keyword(ins, other),))


def moody() -> Propose:
    """Return a transform's function that changes its mind: it acts at every second call."""
    calls = count()

    def propose(snapshot: Snapshot, options: object) -> Iterator[Finding]:
        if next(calls) % 2 == 0:
            run = snapshot.dockerfile.instructions[1]
            yield Change("mood", (Edit(Span(run.args_span.start, run.args_span.start), " "),))

    return propose


def only_on_top(snapshot: Snapshot, options: object) -> Iterator[Finding]:
    """Act only where nothing stands above FROM."""
    if snapshot.text.startswith("FROM"):
        yield from upper(snapshot, options)


def claiming(snapshot: Snapshot, options: object) -> Iterator[Finding]:
    """Claim more than is done."""
    claim = Claim(Effect.LAYERS, frozenset({"stage 0"}))
    for finding in upper(snapshot, options):
        assert isinstance(finding, Change)
        yield replace(finding, claims=(claim,))


def risky(snapshot: Snapshot, options: object) -> Iterator[Finding]:
    """Yield what the good one does, as risky."""
    for finding in upper(snapshot, options):
        assert isinstance(finding, Change)
        yield replace(finding, level=Safety.RISKY)


def overlapping(snapshot: Snapshot, options: object) -> Iterator[Finding]:
    """Yield a change whose edits overlap."""
    yield Change("twice", (Edit(Span(0, 4), "from"), Edit(Span(2, 5), "FROM")))


def refusing(snapshot: Snapshot, options: object) -> Iterator[Finding]:
    """Refuse the first example, with a code that nobody expects."""
    if snapshot.text.rstrip().endswith("RUN b"):
        yield Refusal("X1", "no", "none", 0)
    yield from upper(snapshot, options)


@dataclass(frozen=True)
class Broken:
    """A transform that breaks a law, and what is said of it."""

    transform: Transform
    said: str


def broken(said: str, propose: Propose | None = None, **changes: Any) -> Broken:
    """Return the good transform with something else about it."""
    return Broken(replace(GOOD, propose=propose or upper, **changes), said)


COMMENTED = Example("# c\nFROM a\nRUN b\n", "FROM a\nRUN b\n")
BROKEN = {
    "no sentence": broken("no sentence", doc="Write RUN in upper case"),
    "no documentation": broken("no sentence", doc=""),
    "no examples": broken("no examples", examples=()),
    "the first example is a change": broken("first example", examples=(CHANGES, STAYS)),
    "no example is a change": broken("no example shows a change", examples=(STAYS,)),
    "another outcome": broken("became", examples=(STAYS, replace(CHANGES, after="FROM a\n"))),
    "no outcome": broken("became", examples=(STAYS, Example("FROM a\n", "FROM b\n"))),
    "an outcome where none should be": broken(
        "became", examples=(STAYS, CHANGES, Example("FROM a\nrun c\n"))
    ),
    "no refusal": broken("refused with", examples=(replace(STAYS, refuses="X1"), CHANGES)),
    "another refusal": broken(
        "not X2", refusing, examples=(replace(STAYS, refuses="X2"), CHANGES)
    ),
    "a change below the example's level": broken(
        "became", examples=(STAYS, replace(CHANGES, level=Safety.SAFE)),
        propose=risky,
    ),
    "does not verify": broken("does not verify: stage 0", inserting("ENV A=1\n")),
    "claims too much": broken("does not verify: claimed but not done", claiming),
    "edits overlap": broken("does not verify: edits overlap", overlapping),
    "does not parse": broken("does not verify: unterminated", inserting("COPY <<X /y\n")),
    "loses a comment": broken(
        "does not verify: a comment is lost", without_comments, examples=(STAYS, COMMENTED),
        triggers=("from",),
    ),
    "does not come to rest": broken("does not come to rest", inserting("\n")),
    "goes back": broken("goes back to a text", swinging),
    "is not idempotent": broken(
        "a second run changes", moody(),
        examples=(Example("FROM a\n"), Example("FROM a\nRUN b\n", "FROM a\nRUN  b\n")),
    ),
    "sees what stands above": broken("on top gives", only_on_top),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
def test_a_broken_law_is_an_assertion(case: Broken) -> None:
    with pytest.raises(AssertionError, match=case.said) as error:
        check(case.transform)
    assert "upper-run" in str(error.value)


@pytest.mark.parametrize("number", [0, 2])
def test_a_module_has_one_transform(number: int) -> None:
    module = ModuleType("third")
    for index in range(number):
        module.__dict__[f"propose{index}"] = GOOD
    with pytest.raises(AssertionError, match=f"third: {number} transforms in one module"):
        check(module)


def test_examples_have_a_context() -> None:
    def propose(snapshot: Snapshot, options: object) -> Iterator[Finding]:
        if snapshot.context is not None and snapshot.context.head("a/b", 9) == b"\xe9":
            yield from upper(snapshot, options)

    given = replace(CHANGES, files=("a/b=\xe9", "c"))
    ignored = Example("FROM a\nrun b\n", files=("a/b=x",))
    assert check(replace(GOOD, propose=propose, examples=(STAYS, ignored, given))) == 3


def test_each_rule_of_other_tools_has_a_transform_or_a_reason() -> None:
    rows = table("rules")
    answered = {rule for entry in entries() for rule in entry.transform.answers}
    assert answered <= {row["rule"] for row in rows}
    for row in rows:
        assert (row["rule"] in answered) == (row["reason"] == "-"), row["rule"]
    assert len(rows) == len({row["rule"] for row in rows}) == 94


def test_each_practice_of_a_guide_has_an_answer_or_a_reason() -> None:
    known = {entry.id for entry in entries()}
    commands = {"dfr init", "dfr init --scan", "dfr fix --scan", "dfr prove"}
    rows = table("practices")
    for row in rows:
        answers = set(row["answers"].split(", ")) - {"-"}
        assert answers <= known | commands, row
        assert answers or row["note"] != "-", row
    assert len(rows) == len({(row["guide"], row["practice"]) for row in rows})
