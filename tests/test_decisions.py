"""Decisions: what they hold for, how they are kept, and that they are made again exactly."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from refactor import batch, cli
from refactor.batch import Wishes, one, task
from refactor.compose import Proposal, everything
from refactor.config import Config
from refactor.decisions import Decided, Decision, DecisionsError, Recall, document, merged, read
from refactor.engine import Changed, Task, Unchanged, outcome, run, unsound
from refactor.identity import Identity
from refactor.model import Change, Safety
from refactor.source import Unreadable, decode, encode
from refactor.syntax import ParseError, parse
from tests import corpus

RISKY = Config(level=Safety.RISKY)
TEXT = """\
FROM debian:bookworm as base
MAINTAINER Jane Doe
ENV A 1
RUN apt-get update
RUN apt-get install curl
ADD a /a
CMD ["a"]
"""


def steps(text: str, config: Config = RISKY) -> dict[tuple[str, str], Identity]:
    """Return the identities of all changes of a text, by transform and reason."""
    _, found = outcome("Dockerfile", parse(text), config, None, everything)
    return {(s.transform.id, s.change.reason): s.identity for s in found.steps if s.identity}


@pytest.mark.parametrize(
    "other",
    [
        TEXT.replace("ENV", "# a remark\nENV"),
        TEXT.replace("ENV", "\n\nENV"),
        TEXT.replace("CMD", "LABEL org.example.a=b\nCMD"),
        TEXT.replace("ADD", "EXPOSE 80\nADD"),
        "# head\nARG V=1\n" + TEXT,
        "FROM busybox AS other\nRUN true\n\n" + TEXT,
    ],
)  # fmt: skip
def test_what_has_nothing_to_do_with_a_change_alters_no_key(other: str) -> None:
    before, after = steps(TEXT), steps(other)
    assert len(before) >= 5
    assert {key: after[key] for key in before} == before


def test_what_a_change_makes_alters_its_key_alone() -> None:
    before = steps(TEXT)
    after = steps(TEXT.replace("curl", "curl wget"))
    changed = {key[0] for key in before if before[key] != after.get(key)}
    about_it = ("assume-yes", "skip-apt-recommends", "clean-apt-lists", "merge-apt-update")
    assert changed <= set(about_it)
    assert {"assume-yes", "skip-apt-recommends"} <= changed


def test_equal_changes_are_told_apart() -> None:
    text = "FROM debian\n" + "ENV A 1\n" * 3
    _, found = outcome("Dockerfile", parse(text), RISKY, None, everything)
    assert (
        len({step.identity.site for step in found.steps if step.identity}) == len(found.steps) == 3
    )


@pytest.mark.parametrize("index", range(3))
def test_one_of_equal_changes_is_made_alone(index: int) -> None:
    text = b"FROM debian\nENV A 1\nENV A 1\nENV A 1\n"
    config = replace(RISKY, select=("use-key-value-form",))
    found = run("Dockerfile", text, config, None, Recall(Decided()))
    decisions = [
        Decision(at == index, remark.transform, *remark.identity[:2])
        for at, remark in enumerate(found.remarks) if remark.identity
    ]  # fmt: skip
    recall = Recall(Decided("", tuple(decisions)))
    first = run("Dockerfile", text, config, None, recall)
    assert isinstance(first, Changed)
    assert first.after.count(b"A=1") == 1
    assert first.after.split(b"\n")[1 + index] == b"ENV A=1"
    assert [r.kind for r in recall.judged(first, text).remarks] == ["change"]


def test_a_decline_holds_when_its_line_is_joined_or_moved(tmp_path: Path) -> None:
    text = b"FROM debian\nRUN apt-get update\nRUN apt install -y curl\n"
    config = replace(RISKY, select=("use-apt-get", "merge-apt-update", "merge-runs"))
    _, found = outcome("Dockerfile", parse(decode(text)), config, None, everything)
    site, key, _ = next(s.identity for s in found.steps if s.transform.id == "use-apt-get") or "???"
    recall = Recall(Decided("", (Decision(False, "use-apt-get", site, key),)), rest=True)
    result = run("Dockerfile", text, config, None, recall)
    assert isinstance(result, Changed)
    assert result.after == b"FROM debian\nRUN apt-get update \\\n    && apt install -y curl\n"
    assert [r.kind for r in recall.judged(result, text).remarks] == ["change"]


def test_an_accept_does_not_hold_for_something_else() -> None:
    data = TEXT.encode()
    accepted = [
        Decision(True, transform, identity.site, "of another version")
        for (transform, _), identity in steps(TEXT).items()
        if transform == "replace-maintainer"
    ]
    recall = Recall(Decided("", tuple(accepted)))
    result = recall.judged(run("Dockerfile", data, RISKY, None, recall), data)
    assert isinstance(result, Unchanged)
    kinds = {r.transform: r.kind for r in result.remarks if r.kind in ("stale", "undecided")}
    assert kinds.pop("replace-maintainer") == "stale"
    assert set(kinds.values()) == {"undecided"}


def test_what_is_written_by_hand_is_made_once_and_holds() -> None:
    data = b"FROM debian\nRUN apt-get update && apt-get install curl\n"
    config = replace(RISKY, select=("assume-yes",))
    (((transform, _), identity),) = steps(decode(data), config).items()
    written = "RUN apt-get update \\\n    && apt-get install -y curl\n"
    recall = Recall(Decided("", (Decision(True, transform, *identity[:2], text=written),)))
    result = run("Dockerfile", data, config, None, recall)
    assert isinstance(result, Changed)
    assert result.after == b"FROM debian\n" + written.encode()


def test_what_is_written_by_hand_is_verified() -> None:
    data = b"FROM debian\nRUN apt-get update && apt-get install curl\n"
    config = replace(RISKY, select=("assume-yes",))
    (((transform, _), identity),) = steps(decode(data), config).items()
    written = "RUN apt-get update && apt-get install -y curl && rm -rf /\n"
    recall = Recall(Decided("", (Decision(True, transform, *identity[:2], text=written),)))
    result = run("Dockerfile", data, config, None, recall)
    assert isinstance(result, Unchanged)
    assert [r.kind for r in result.remarks] == ["unverified", "left"]


def test_what_was_accepted_and_is_not_made_is_said() -> None:
    """Above the level, or on top of what is not accepted: for the bytes that it was accepted on."""
    text = b"FROM debian:bookworm\nRUN apt-get update\nRUN apt-get install -y curl\nCMD curl\n"
    config = Config(select=("merge-apt-update", "clean-apt-lists"))
    decisions = [
        Decision(True, transform, *identity[:2], reason)
        for (transform, reason), identity in steps(decode(text), config).items()
        if transform == "clean-apt-lists"
    ]
    assert len(decisions) == 1
    for digest, kinds in ((sha256(text).hexdigest(), ["undecided", "unmet"]), ("", ["undecided"])):
        recall = Recall(Decided(digest, tuple(decisions)))
        result = recall.judged(run("Dockerfile", text, config, None, recall), text)
        assert [r.kind for r in result.remarks if r.kind not in ("refusal", "notice")] == kinds


def test_a_stale_text_is_said() -> None:
    data = b"FROM debian\nENV A 1\n"
    config = Config(select=("use-key-value-form",))
    (((transform, _), identity),) = steps(decode(data), config).items()
    decided = Decided("", (Decision(True, transform, identity.site, "other", text="ENV A=1\n"),))
    recall = Recall(decided)
    result = recall.judged(run("Dockerfile", data, config, None, recall), data)
    assert [r.kind for r in result.remarks] == ["stale"]


def test_a_file_of_decisions_in_the_context_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It speaks of `.git` and `.env`: it must not count as a source that needs them."""
    monkeypatch.chdir(tmp_path)
    for name in (".git/HEAD", ".env", "node_modules/a/index.js", "x.js", "package.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}" if name.endswith("json") else "")
    text = 'FROM node:24\nWORKDIR /app\nCOPY . .\nRUN npm i\nCMD ["node", "x.js"]\n'
    (tmp_path / "Dockerfile").write_text(text)
    words = ("--level", "suggested", "--baseline", "b.json")
    batch.forget()
    assert invoke("fix", "--update-baseline", *words)[0] == 0
    assert ".git" in (tmp_path / "b.json").read_text()
    batch.forget()
    code, _, said = invoke("fix", "--check", *words)
    assert code == 0, said


# The file


ONE = Decided("ab", (Decision(True, "a", "s1", "k1", "why"), Decision(False, "b", "s2", "k2")))


def test_a_file_of_decisions_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    edited = Decided("cd", (Decision(True, "a", "s", "k", "a \u2028 \udc80", "RUN \udcff\n"),))
    found = {"a/Dockerfile": ONE, "\udcff": edited, "z": Decided()}
    path.write_text(document(found, "1.0"), encoding="utf-8")
    assert read(path) == found
    assert json.loads(path.read_text())["version"] == 1


def test_later_decisions_hold() -> None:
    later = Decided("ef", (Decision(False, "a", "s1", "k1"), Decision(True, "c", "s3", "k3")))
    found = merged([{"x": ONE}, {"x": later, "y": ONE}])
    assert found["y"] == ONE
    assert found["x"].sha256 == "ef"
    assert [(d.site, d.accept) for d in found["x"].decisions] == [
        ("s1", False), ("s2", False), ("s3", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"version": 2, "files": {}}', '{"version": 1, "files": []}',
        '{"version": 1, "files": {"a": {}}}', "[" * 100_000,
        '{"version": 1, "files": {"a": {"decisions": [{"decision": "maybe"}]}}}',
        '{"version": 1, "files": {"a": {"decisions": [{"decision": "accept"}]}}}',
    ],
)  # fmt: skip
def test_what_is_no_file_of_decisions_is_an_error_that_names_it(text: str, tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(text)
    with pytest.raises(DecisionsError, match=r"d\.json"):
        read(path)


# The command line


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a Dockerfile."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Dockerfile").write_text(TEXT)
    return tmp_path


def invoke(*words: str) -> tuple[int, str, str]:
    """Run a command and return its exit code and what it prints."""
    result = CliRunner().invoke(cli.app, words)
    return result.exit_code, result.stdout, result.stderr


def test_a_baseline_leaves_out_what_was_pending_and_shows_what_is_new(folder: Path) -> None:
    known = ("--baseline", "b.json", "--level", "risky")
    assert invoke("fix", "--check", *known)[0] == 2
    assert invoke("fix", "--update-baseline", *known)[0] == 0
    assert (folder / "Dockerfile").read_text() == TEXT
    assert invoke("fix", "--check", *known)[0] == 0
    (folder / "Dockerfile").write_text(TEXT + "MAINTAINER Joe\nENV B 2\n")
    code, _, said = invoke("fix", "--check", *known)
    assert code == 1
    assert "(1 change)" in said
    assert "Dockerfile:9: use-key-value-form" in said
    assert invoke("fix", *known)[0] == 0
    assert (folder / "Dockerfile").read_text() == TEXT + "MAINTAINER Joe\nENV B=2\n"


def test_a_baseline_keeps_what_it_knows_of_files_that_are_not_looked_at(folder: Path) -> None:
    (folder / "b").mkdir()
    (folder / "b" / "Dockerfile").write_text(TEXT)
    assert invoke("fix", "--update-baseline", "--baseline", "b.json")[0] == 0
    assert invoke("fix", "--update-baseline", "--baseline", "b.json", "b")[0] == 0
    assert set(read(folder / "b.json")) == {"Dockerfile", "b/Dockerfile"}
    assert invoke("fix", "--check", "--baseline", "b.json")[0] == 0


def test_with_decisions_nothing_happens_that_nobody_decided(folder: Path) -> None:
    (folder / "d.json").write_text(document({}, "1"))
    code, _, said = invoke("fix", "--check", "--decisions", "d.json")
    assert code == 1
    assert "not decided, so not made" in said
    assert invoke("fix", "--decisions", "d.json")[0] == 0
    assert (folder / "Dockerfile").read_text() == TEXT


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--interactive",), "-i asks at a terminal"),
        (("--interactive", "--check"), "--interactive does not go with --check"),
        (("--interactive", "--diff"), "--interactive does not go with --diff"),
        (("--diff", "--patch", "p"), "--diff and --patch exclude each other"),
        (("--diff", "--format", "json"), "write it with --patch"),
        (("--format", "xml"), "there are text, json"),
        (("--output", "o"), "add --format"),
        (("--update-baseline",), "add --baseline FILE"),
        (("--update-baseline", "--check", "--baseline", "b"), "--check writes nothing"),
        (("--context", "none"), "--context none: no such folder"),
        (("--select", "merge_run"), "is it merge-runs"),
        (("--decisions", "none.json"), "none.json: No such file"),
        (("-", "--format", "json"), "- stands alone"),
        (("-", "--decisions", "d.json"), "- stands alone"),
    ],
)
def test_what_cannot_be_had_is_said(folder: Path, words: tuple[str, ...], said: str) -> None:
    code, out, err = invoke("fix", *words)
    assert code == 2
    assert said in err
    assert not out
    assert (folder / "Dockerfile").read_text() == TEXT


# Laws


def texts(root: Path, count: int) -> Iterator[tuple[Path, str]]:
    """Yield some of the corpus's Dockerfiles that can be read."""
    for path in random.Random(6).sample(corpus.files(root), count):
        try:
            text = decode(path.read_bytes())
            if unsound(parse(text)) is None:
                yield path, text
        except (Unreadable, ParseError):
            continue


def test_comments_and_labels_alter_no_key_of_the_corpus() -> None:
    rng = random.Random(7)
    seen = parted = 0
    for path, text in texts(corpus.folder(), 400):
        before = steps(text)
        ins = rng.choice(parse(text).instructions)
        head = text[: ins.span.end]
        head += "" if head.endswith("\n") else "\n"
        for line in ("# a remark\n", 'LABEL org.example.remark="x"\n'):
            try:
                after = steps(head + line + text[ins.span.end :])
            except ParseError:
                continue
            for key in before.keys() & after.keys():
                seen += 1
                if before[key] != after[key]:
                    # what stands between two RUNs keeps them apart: then it is another change
                    parted += 1
                    assert "merge-runs" in {k[0] for k in before}, (path, key)
                    assert ins.keyword == "RUN", (path, key)
    assert seen > 1000
    assert parted < seen / 100


class Chance:
    """Decides by chance, and notes what."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.made: dict[str, Decision] = {}

    def __call__(self, proposal: Proposal) -> Change | None:
        site, key = proposal.identity[:2]
        if site not in self.made:
            accept = self.rng.random() < 0.6
            self.made[site] = Decision(accept, proposal.transform.id, site, key)
        return self.made[site].made(proposal)


def test_decisions_on_the_corpus_are_made_again_exactly(tmp_path: Path) -> None:
    rng = random.Random(8)
    for path, text in texts(corpus.folder(), 250):
        data = encode(text)
        deciding = Chance(rng)
        first = run("Dockerfile", data, RISKY, None, deciding)
        saved = {"Dockerfile": Decided("", tuple(deciding.made.values()))}
        (tmp_path / "d.json").write_text(document(saved, "1"))
        recall = Recall(read(tmp_path / "d.json")["Dockerfile"])
        again = recall.judged(run("Dockerfile", data, RISKY, None, recall), data)
        assert getattr(first, "after", None) == getattr(again, "after", None), path
        undecided = [r for r in again.remarks if r.kind in ("undecided", "stale")]
        assert not undecided, (path, undecided)


def test_one_file_is_recalled_by_its_name(folder: Path) -> None:
    found = task(Path("Dockerfile"), Wishes(level=Safety.RISKY))
    assert isinstance(found, Task)
    identity = steps(TEXT)[("match-as-case", "`AS` in the case of `FROM`")]
    decided = {"Dockerfile": Decided("", (Decision(True, "match-as-case", *identity[:2]),))}
    result = one(Path("Dockerfile"), Wishes(level=Safety.RISKY, decisions=decided))
    assert isinstance(result, Changed)
    assert decode(result.after) == TEXT.replace(" as ", " AS ")
