"""The language server, as a client sees it over standard input and output."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path

import pytest
from lsprotocol import types as lsp

from refactor.batch import Wishes, task
from refactor.commands.server import HELP
from refactor.compose import Proposal
from refactor.engine import Changed, Task, run
from refactor.model import Change, Safety
from refactor.server.edits import line_edits
from refactor.server.texts import Text
from refactor.source import apply
from tests.editors import COMMAND, Editor, at, edited, index

ROOT = Path(__file__).parent.parent
OLD = "FROM scratch\nMAINTAINER Jane\n"
LABEL = 'LABEL org.opencontainers.image.authors="Jane"'
RUNS = "FROM debian:12\nRUN one\nRUN two\n"
LEVELS = {
    "safe": "Fix all: safe",
    "suggested": "Fix all: up to suggested",
    "risky": "Fix all: up to risky",
}
ENCODINGS = ("utf-8", "utf-16", "utf-32")
_NUMBERS = count()

Repository = Callable[[Mapping[str, str]], str]


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """Return an editor in which many repositories are open; it asks for what is suggested."""
    with Editor(tmp_path_factory.mktemp("open"), {"level": "suggested"}) as found:
        yield found


def plant(folder: Path, files: Mapping[str, str]) -> None:
    """Write files of a repository."""
    (folder / ".git").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())


@pytest.fixture
def repository(editor: Editor) -> Repository:
    """Return what writes a repository below the editor's folder, and returns its name."""

    def write(files: Mapping[str, str]) -> str:
        name = f"r{next(_NUMBERS)}"
        plant(editor.folder / name, files)
        return name

    return write


def codes(editor: Editor, name: str, after: int = 0) -> list[object]:
    """Return the codes of what is said of a document."""
    return [found.code for found in editor.diagnostics(name, after)]


def tree(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_what_the_server_offers(editor: Editor) -> None:
    found = editor.result.capabilities
    assert editor.result.server_info is not None
    assert editor.result.server_info.name == "dfr"
    assert isinstance(found.text_document_sync, lsp.TextDocumentSyncOptions)
    assert found.text_document_sync.change is lsp.TextDocumentSyncKind.Incremental
    assert isinstance(found.code_action_provider, lsp.CodeActionOptions)
    assert found.code_action_provider.code_action_kinds == (
        "quickfix", "source.fixAll.dfr", "source.dfr.suggested", "source.dfr.risky",
    )  # fmt: skip
    assert found.hover_provider is True
    editor.until(lambda: editor.registered)
    assert [registration.method for registration in editor.registered] == [
        "workspace/didChangeWatchedFiles",
        "workspace/didChangeConfiguration",
    ]


def test_a_change_is_shown_where_it_is_with_its_reason(
    editor: Editor, repository: Repository
) -> None:
    name = repository({}) + "/Dockerfile"
    editor.open(name, "FROM scratch\n  MAINTAINER Jane  \nRUN pip install a\n")
    first = editor.diagnostics(name)[0]
    assert first.range == at(1, 2, 17)
    assert first.severity is lsp.DiagnosticSeverity.Warning
    assert (first.source, first.code) == ("dfr", "replace-maintainer")
    assert first.message == "MAINTAINER is deprecated: the OCI label says the same"


def test_what_is_assumed_is_said_and_no_warning(editor: Editor, repository: Repository) -> None:
    name = repository({}) + "/Dockerfile"
    editor.open(name, "FROM a\nRUN apt-get update && apt-get install -y some-tool\n")
    found = {d.code: d for d in editor.diagnostics(name)}["skip-apt-recommends"]
    assert found.severity is lsp.DiagnosticSeverity.Information
    assert "(suggested)\nassumes: " in found.message


def test_notices_are_hints(editor: Editor, repository: Repository) -> None:
    name = repository({}) + "/Dockerfile"
    editor.open(name, "FROM debian\n")
    (found,) = editor.diagnostics(name)
    assert found.code == "report-floating-tag"
    assert found.severity is lsp.DiagnosticSeverity.Hint
    assert editor.actions(name) == []


def fix(folder: Path, level: str) -> dict[str, bytes]:
    """Return what `dfr fix` makes of a repository's Dockerfile."""
    command = [sys.executable, "-m", "refactor.cli", "fix", "--level", level, "Dockerfile"]
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    return tree(folder)


@pytest.mark.parametrize("project", ["flask-shop", "node-typescript", "ruby-debian"])
def test_fix_all_makes_what_the_command_makes(
    project: str, editor: Editor, repository: Repository, tmp_path: Path
) -> None:
    place = repository({})
    shutil.copytree(ROOT / "fixtures" / project, editor.folder / place, dirs_exist_ok=True)
    before = tree(editor.folder / place)
    editor.open(f"{place}/Dockerfile")
    actions = {action.title: action for action in editor.actions(f"{place}/Dockerfile")}
    made = before
    for level, title in LEVELS.items():
        shutil.copytree(editor.folder / place, tmp_path / level)
        wanted = fix(tmp_path / level, level)
        if title in actions:
            done = editor.done(actions[title].edit)
            assert before | {k.partition("/")[2]: v.encode() for k, v in done.items()} == wanted
            assert wanted != made
        else:  # no more than at the level before
            assert wanted == made
        made = wanted
    assert made != before


def alone(path: Path, text: str, site: str) -> dict[str, str]:
    """Return what one change makes of a text, by the engine's word."""

    def decide(proposal: Proposal) -> Change | None:
        return proposal.change if proposal.identity.site == site else None

    ready = task(path, Wishes(level=Safety.SUGGESTED), text.encode())
    assert isinstance(ready, Task)
    result = run(ready.site.place, text.encode(), ready.config, ready.site, decide)
    assert isinstance(result, Changed)
    changed = {result.path: result.after.decode()} if result.after != result.before else {}
    return changed | {other.path: other.after.decode() for other in result.others}


@pytest.mark.parametrize("project", ["flask-shop", "node-native", "debian-tools"])
def test_a_quick_fix_makes_what_its_change_alone_makes(
    project: str, editor: Editor, repository: Repository
) -> None:
    place = repository({})
    shutil.copytree(ROOT / "fixtures" / project, editor.folder / place, dirs_exist_ok=True)
    path = editor.folder / place / "Dockerfile"
    text = path.read_text()
    ready = task(path, Wishes(level=Safety.SUGGESTED, detail=True), text.encode())
    assert isinstance(ready, Task)
    result = run(ready.site.place, text.encode(), ready.config, ready.site)
    details = [remark.detail for remark in result.remarks if remark.detail]
    sites = [detail.site for detail in details if detail.fix]
    editor.open(f"{place}/Dockerfile")
    fixes = editor.actions(f"{place}/Dockerfile", only=["quickfix"])
    assert len(fixes) == len(sites) > 2
    for action, site in zip(fixes, sites, strict=True):
        done = editor.done(action.edit)
        assert {k.partition("/")[2]: v for k, v in done.items()} == alone(path, text, site)


def test_a_quick_fix_names_what_it_mends(editor: Editor, repository: Repository) -> None:
    name = repository({}) + "/Dockerfile"
    editor.open(name, OLD + "RUN one\n")
    shown = editor.diagnostics(name)
    (action,) = editor.actions(name, at(1, 3), only=["quickfix"])
    assert action.title == "Replace MAINTAINER by the label that took its place"
    assert [*(action.diagnostics or [])] == [shown[0]]
    assert action.is_preferred is True
    assert editor.actions(name, at(2, 0), only=["quickfix"]) == []
    assert action.edit is not None
    assert action.edit.change_annotations is None


def test_what_is_not_safe_asks_first(editor: Editor, repository: Repository) -> None:
    name = repository({}) + "/Dockerfile"
    editor.open(name, RUNS)
    fixed, every = editor.actions(name)
    assert (fixed.title, every.title) == (
        "Join neighbouring RUN lines of an image (suggested)",
        "Fix all: up to suggested",
    )
    assert not fixed.is_preferred
    for action in (fixed, every):
        assert action.edit is not None
        ((id, asked),) = (action.edit.change_annotations or {}).items()
        assert asked.needs_confirmation is True
        (change,) = action.edit.document_changes or []
        assert isinstance(change, lsp.TextDocumentEdit)
        assert all(isinstance(e, lsp.AnnotatedTextEdit) for e in change.edits)
        assert {e.annotation_id for e in change.edits if hasattr(e, "annotation_id")} == {id}


def test_actions_are_those_that_are_asked_for(editor: Editor, repository: Repository) -> None:
    name = repository({}) + "/Dockerfile"
    editor.open(name, OLD + RUNS)

    def kinds(*only: str, trigger: lsp.CodeActionTriggerKind | None = None) -> list[object]:
        found = editor.actions(name, only=only or None, trigger=trigger)
        return [action.kind for action in found]

    every = ["quickfix", "quickfix", "source.fixAll.dfr", "source.dfr.suggested"]
    assert kinds() == every
    assert kinds("") == every
    assert kinds("source") == every[2:]
    assert kinds("source.fixAll") == ["source.fixAll.dfr"], "on save"
    assert kinds("source.dfr.risky") == ["source.dfr.risky"]
    assert kinds("refactor", "source.organizeImports") == []
    assert kinds(trigger=lsp.CodeActionTriggerKind.Automatic) == every[:2], "a cursor moved"


def test_another_file_is_made_and_edited(editor: Editor, repository: Repository) -> None:
    text = "FROM debian:12\nCOPY . /app\n"
    place = repository({"Dockerfile": text, ".gitignore": "x\n"})
    editor.open(f"{place}/Dockerfile")
    action = editor.actions(f"{place}/Dockerfile", only=["quickfix"])[-1]
    assert action.edit is not None
    kinds = [type(change) for change in action.edit.document_changes or []]
    assert kinds == [lsp.CreateFile, lsp.TextDocumentEdit]
    made = editor.done(action.edit)[f"{place}/.dockerignore"]
    assert ".git\n" in made

    there = repository({"Dockerfile": text, ".dockerignore": "näh\n"})
    editor.open(f"{there}/Dockerfile")
    action = editor.actions(f"{there}/Dockerfile", only=["quickfix"])[-1]
    assert action.edit is not None
    kinds = [type(change) for change in action.edit.document_changes or []]
    assert kinds == [lsp.TextDocumentEdit]
    assert editor.done(action.edit)[f"{there}/.dockerignore"].startswith("näh\n")

    editor.open(f"{there}/.dockerignore", language="ignore")
    action = editor.actions(f"{there}/Dockerfile", only=["quickfix"])[-1]
    assert f"{there}/.dockerignore" in editor.done(action.edit), "by the version that is open"
    editor.type(f"{there}/.dockerignore", "not saved\n")
    titles = [action.title for action in editor.actions(f"{there}/Dockerfile")]
    assert "Leave out of the build context" not in " ".join(titles), "it was proved on another text"


PLAIN = lsp.ClientCapabilities()


def test_a_client_that_can_do_little(tmp_path: Path) -> None:
    plant(tmp_path, {"Dockerfile": OLD + "FROM debian:12\nCOPY . /app\n"})
    with Editor(tmp_path, {"level": "suggested"}, PLAIN) as editor:
        editor.open("Dockerfile")
        assert "write-dockerignore" in codes(editor, "Dockerfile")
        found = editor.actions("Dockerfile")
        assert [action.title for action in found] == [
            "Replace MAINTAINER by the label that took its place",
            "Fix all: safe",
        ]
        for action in found:
            assert action.edit is not None
            assert action.edit.document_changes is None
            assert LABEL in editor.done(action.edit)["Dockerfile"]
        assert "### replace-maintainer" in (editor.hover("Dockerfile", 1) or "")
        assert editor.registered == []


def test_hover_tells_what_a_change_is_about(editor: Editor, repository: Repository) -> None:
    name = repository({}) + "/Dockerfile"
    editor.open(name, "FROM a\n\nRUN apt-get update && apt-get install -y gcc\n")
    text = editor.hover(name, 2)
    assert text is not None
    assert "### skip-apt-recommends\n\n**suggested**: recommended packages" in text
    assert "- assumes: " in text
    assert "`--no-install-recommends` makes images much smaller" in text
    assert editor.hover(name, 1) is None


TEXTS = {
    "plain": OLD,
    "windows": OLD.replace("\n", "\r\n") + "RUN one\r\nRUN two\r\n",
    "no end": OLD[:-1],
    "no end, windows": "FROM scratch\r\nRUN one\r\nRUN two",
    "mark": "\ufeff" + OLD,
    "wide": "FROM scratch\nMAINTAINER 😀é漢 <a@b>\n# 😀\nRUN echo 😀 && one\nRUN two 漢\n",
    "wide, windows": "FROM a\r\nMAINTAINER 😀é漢\r\n# 😀\r\nRUN echo 😀\r\nRUN two 漢\r\n",
    "separators": "FROM a\n# \x0b\x0c\x1c\x85\u2028 x\nMAINTAINER \u2028b\x85\nRUN a\nRUN \x0bb\n",
    "a bare return": "FROM a\n# a \r b\nMAINTAINER b\rc\nRUN one\nRUN two\n",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_places_are_right_in_any_text(encoding: str, tmp_path: Path) -> None:
    for name, text in TEXTS.items():
        plant(tmp_path / name, {"Dockerfile": text})
    with Editor(tmp_path, {"level": "suggested"}, encodings=[encoding, "utf-16"]) as editor:
        assert editor.encoding == encoding
        for name, text in TEXTS.items():
            path = f"{name}/Dockerfile"
            editor.open(path)
            for found in editor.diagnostics(path):
                start = index(text, found.range.start, encoding)
                end = index(text, found.range.end, encoding)
                shown = text[start:end]
                assert shown == shown.strip()
                assert shown.startswith(("FROM", "MAINTAINER", "RUN", "\ufeffFROM")), name
            actions = editor.actions(path)
            assert actions, name
            ready = task(tmp_path / path, Wishes(level=Safety.SUGGESTED))
            assert isinstance(ready, Task)
            result = run(ready.name, ready.data, ready.config, ready.site)
            assert isinstance(result, Changed)
            assert editor.done(actions[-1].edit)[path].encode() == result.after, name
            for action in actions:
                editor.done(action.edit)


def test_typing(editor: Editor, repository: Repository) -> None:
    name = repository({}) + "/Dockerfile"
    editor.open(name, "FROM scratch\n# 😀é\n")
    assert codes(editor, name) == []
    editor.type(name, (at(1, 4), " 漢"), (at(1, 2, 4), "☃"), (at(2, 0), "MAINTAINER 😀\n"))
    assert codes(editor, name) == ["replace-maintainer"]
    assert editor.texts[editor.uri(name)] == "FROM scratch\n# ☃ 漢é\nMAINTAINER 😀\n"
    (found,) = editor.diagnostics(name)
    assert found.range == at(2, 0, 13)
    editor.type(name, (at(2, 0, 11), "LABEL a="))
    assert codes(editor, name) == []


HELD = """\
services:
  web:
    build:
      dockerfile_inline: |
        FROM scratch
        MAINTAINER Jane $$x
"""


def test_a_compose_file_has_what_is_said_of_the_dockerfiles_in_it(
    editor: Editor, repository: Repository
) -> None:
    name = repository({}) + "/compose.yaml"
    editor.open(name, HELD, language="dockercompose")
    (found,) = editor.diagnostics(name)
    assert (found.code, found.range.start.line) == ("replace-maintainer", 5)
    written = 'LABEL org.opencontainers.image.authors="Jane \\$$x"'
    after = HELD.replace("MAINTAINER Jane $$x", written)
    (action,) = editor.actions(name, at(5, 10), only=["quickfix"])
    assert editor.done(action.edit) == {name: after}
    (action,) = editor.actions(name, only=["source.fixAll"])
    assert editor.done(action.edit) == {name: after}
    editor.type(name, HELD.replace("$$x", "$x"))
    assert codes(editor, name) == ["refused"]


def test_random_typing_comes_to_the_same_as_opening(editor: Editor, repository: Repository) -> None:
    name = repository({}) + "/Dockerfile"
    chance = random.Random(6)
    alphabet = ["a", "é", "漢", "😀", "\n", "\r\n", "\\\n", " ", "\u2028", "\x0b", "#", "RUN b\n"]
    editor.open(name, TEXTS["wide"])
    for _ in range(120):
        text = editor.texts[editor.uri(name)]
        ends = sorted(chance.randint(0, len(text)) for _ in range(2))
        start, end = (place(text, min(offset, ends[0] + 6)) for offset in ends)
        editor.type(name, (lsp.Range(start, end), chance.choice(alphabet)))
    editor.type(name, (at(0, 0), TEXTS["wide"] + "\n"))
    said = editor.diagnostics(name)
    other = repository({}) + "/Dockerfile"
    editor.open(other, editor.texts[editor.uri(name)])
    assert said == editor.diagnostics(other)
    assert len(said) > 0


def place(text: str, offset: int, encoding: str = "utf-16") -> lsp.Position:
    """Return the place of an offset, found by trying: the longest line start that fits."""
    lines = re.split(r"\r\n|\n|\r", text[:offset])
    if text[:offset].endswith("\r") and text[offset : offset + 1] == "\n":
        lines.pop()  # between the two is no place
    width = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    codec = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}[encoding]
    return lsp.Position(len(lines) - 1, len(lines[-1].encode(codec)) // width)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_texts_count_as_the_protocol_does(encoding: str) -> None:
    chance = random.Random(encoding)
    pieces = ["a", "é", "漢", "😀", "\n", "\r\n", "\r", "\u2028", "\x85", "\x0b", "\ufeff"]
    for _ in range(300):
        text = "".join(chance.choices(pieces, k=chance.randint(0, 12)))
        found = Text(text, encoding)
        for offset in range(len(text) + 1):
            position = found.position(offset)
            assert position == place(text, offset, encoding)
            if text[offset - 1 : offset + 1] != "\r\n":
                assert found.offset(position) == offset == index(text, position, encoding)
        beyond = lsp.Position(0, 99)
        assert found.offset(beyond) == len(re.split(r"[\r\n]", text)[0])
        assert found.offset(lsp.Position(99, 0)) == len(text)


def test_line_edits_are_whole_lines_and_few() -> None:
    chance = random.Random(3)
    for _ in range(300):
        before, after = (
            "".join(chance.choices(["a\n", "b\r\n", "c", "\n", "d\r"], k=chance.randint(0, 9)))
            for _ in range(2)
        )
        edits = list(line_edits(before, after))
        assert apply(before, edits) == after
        text = Text(before)
        told = [lsp.TextEdit(text.range(*edit.span), edit.text) for edit in edits]
        assert edited(before, told, "utf-16") == after
    assert [e.text for e in line_edits("a\nb\nc\n", "a\nB\nc\n")] == ["B\n"]


def test_only_the_last_of_many_versions_is_looked_at(
    editor: Editor, repository: Repository
) -> None:
    name = repository({}) + "/Dockerfile"
    editor.open(name, "FROM scratch\n")
    editor.diagnostics(name)
    said = len(editor.published)
    for number in range(30):
        editor.type(name, (at(1, 0), f"# {number}\n"))
    editor.diagnostics(name)
    versions = [p.version for p in editor.published[said:] if p.uri == editor.uri(name)]
    assert versions[-1] == 31
    assert len(versions) < 5, "on a machine that is very slow, a pause comes in between"


def test_closing_takes_back_what_was_said(editor: Editor, repository: Repository) -> None:
    name = repository({}) + "/Dockerfile"
    editor.open(name, OLD)
    assert codes(editor, name)
    editor.type(name, (at(0, 0), "# a\n"))
    editor.close(name)
    editor.rest(1)
    last = [p for p in editor.published if p.uri == editor.uri(name)][-1]
    assert not last.diagnostics


def test_documents_are_known_by_language_or_name(editor: Editor, repository: Repository) -> None:
    place = repository({})
    editor.open(f"{place}/prod.Dockerfile", OLD, language="plaintext")
    editor.open(f"{place}/Containerfile", OLD, language="")
    editor.open(f"{place}/image.txt", OLD, language="dockerfile")
    editor.open(f"{place}/Dockerfile.j2", OLD, language="jinja")
    editor.open(f"{place}/readme.md", OLD, language="markdown")
    for name in ("prod.Dockerfile", "Containerfile", "image.txt"):
        assert codes(editor, f"{place}/{name}") == ["replace-maintainer"]
    editor.rest(0.5)
    said = {found.uri for found in editor.published}
    for name in ("Dockerfile.j2", "readme.md"):
        assert editor.uri(f"{place}/{name}") not in said
        assert editor.actions(f"{place}/{name}") == []
        assert editor.hover(f"{place}/{name}", 1) is None


def test_what_is_in_no_folder_has_no_context(editor: Editor) -> None:
    for name in ("untitled:Untitled-1", "vscode-vfs://github/a/b/Dockerfile", "git:/a/Dockerfile"):
        editor.open(name, OLD + "COPY . /app\n")
        assert codes(editor, name) == ["replace-maintainer"]
        edit = editor.actions(name)[-1].edit
        assert LABEL in editor.done(edit)[name]


def test_a_file_that_is_not_written_yet(editor: Editor, repository: Repository) -> None:
    place = repository({".dockerfile-refactor.toml": 'ignore = ["merge-runs"]\n'})
    editor.open(f"{place}/new/Dockerfile", OLD + "RUN one\nRUN two\n")
    assert codes(editor, f"{place}/new/Dockerfile") == ["replace-maintainer"]


def test_a_folder_that_is_no_repository(tmp_path: Path) -> None:
    text = "FROM debian:12\nCOPY src/a /a\nCOPY . /app\n"
    plant(tmp_path, {"sub/Dockerfile": text, "src/a": "", "src/__pycache__/a.pyc": ""})
    (tmp_path / ".git").rmdir()
    with Editor(tmp_path, {"level": "suggested"}) as editor:
        editor.open("sub/Dockerfile")
        edit = editor.actions("sub/Dockerfile", only=["quickfix"])[-1].edit
        assert set(editor.done(edit)) == {".dockerignore"}, "the open folder is the context"


def test_the_buffer_counts_not_the_file(editor: Editor, repository: Repository) -> None:
    place = repository({"Dockerfile": "FROM scratch\n"})
    editor.open(f"{place}/Dockerfile", OLD)
    assert codes(editor, f"{place}/Dockerfile") == ["replace-maintainer"]


def test_a_text_that_nobody_would_build(editor: Editor, repository: Repository) -> None:
    name = repository({}) + "/Dockerfile"
    editor.open(name, "FROM scratch\n\n  FROB a\n")
    (found,) = editor.diagnostics(name)
    assert (found.code, found.message) == ("refused", "unknown instruction FROB")
    assert found.severity is lsp.DiagnosticSeverity.Information
    assert found.range == at(2, 2, 8)
    assert editor.actions(name) == []
    editor.type(name, "")
    assert not editor.diagnostics(name)
    editor.type(name, "# nothing yet\n")
    (found,) = editor.diagnostics(name)
    assert found.range == at(0, 0, 13)


HOSTILE = {
    "zero": "FROM a\nRUN \0\n",
    "half a pair": "FROM a\nRUN \ud800\nMAINTAINER b\n",
    "escaped byte": "FROM a\nMAINTAINER \udc80\n",
    "brackets": "FROM a\nRUN " + "(" * 5000 + "\n",
    "substitutions": "FROM a\nRUN " + "$(" * 3000 + "\n",
    "long line": "FROM a\nRUN " + "a " * 100_000 + "\n",
    "continuations": "FROM a\nRUN a \\\n" + "\\\n" * 5000,
    "heredoc": "FROM a\nRUN <<EOF\n",
    "markup": "FROM a\nRUN pip install '<script>' '](javascript:x)' '```' \x1b[2J \u202e\n",
    "large": "FROM a\n# " + "x" * 5_000_000,
    "unknown": "{{ if }}\nFROM {{ a }}\n",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_texts(case: str, editor: Editor, repository: Repository) -> None:
    name = repository({}) + "/Dockerfile"
    editor.open(name, HOSTILE[case])
    said = editor.diagnostics(name)
    assert said
    for found in said:
        assert len(found.message) <= 2000
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e\ud800-\udfff]", found.message)
    editor.actions(name)
    text = editor.hover(name, 1) or ""
    assert "<script>" not in re.sub("`[^`\n]*`", "", text)
    editor.close(name)


def test_strange_names(editor: Editor) -> None:
    for folder in ("with space", "ümläut 😀", "per%20cent", "ha#sh?a;b", "<b>`x`"):
        plant(editor.folder / folder, {"Dockerfile": "FROM debian:12\nCOPY . /app\n"})
        editor.open(f"{folder}/Dockerfile")
        edit = editor.actions(f"{folder}/Dockerfile", only=["quickfix"])[-1].edit
        assert set(editor.done(edit)) == {f"{folder}/.dockerignore"}


def test_settings(tmp_path: Path) -> None:
    plant(tmp_path, {"Dockerfile": OLD + "RUN one\nRUN two\nADD https://a.example/b /b\n"})
    with Editor(tmp_path, {"refusals": True}) as editor:
        editor.open("Dockerfile")
        found = {d.code: d for d in editor.diagnostics("Dockerfile")}
        assert set(found) == {"replace-maintainer", "use-copy-for-local-files"}
        refusal = found["use-copy-for-local-files"]
        assert refusal.severity is lsp.DiagnosticSeverity.Hint
        assert refusal.message.startswith("a URL is fetched (C101)\nunlock: ")

        def after(settings: object) -> list[object]:
            said = len(editor.published)
            editor.configure(settings)
            return codes(editor, "Dockerfile", said)

        assert after({"dfr": {"refusals": False}}) == ["replace-maintainer"]
        assert after({"dfr": {"level": "suggested", "refusals": False}}) == [
            "replace-maintainer",
            "merge-runs",
        ]
        assert after({"dfr": {"select": ["merge-runs"], "level": "risky"}}) == ["merge-runs"]
        assert after({"dfr": {"ignore": ["replace-maintainer"], "refusals": False}}) == []
        assert editor.messages == []

        wrong = {
            "unknown setting 'levle'; there are: level, select, ignore, refusals": {
                "levle": "safe"
            },
            "settings: level is one of safe, suggested, risky, not 'high'": {"level": "high"},
            "no transform is called 'nothing'": {"select": ["nothing"]},
            "ignore is a list of strings": {"ignore": "merge-runs"},
            "refusals is true or false": {"refusals": "yes"},
        }
        for message, table in wrong.items():
            assert after({"dfr": table}) == [], "as it was"
            assert f"dfr: {message}" in editor.messages.pop()
        nothings: tuple[object, ...] = (None, {}, [], {"other": {"level": "high"}}, {"dfr": None})
        for nothing in nothings:
            editor.configure(nothing)
        editor.rest(0.5)
        assert editor.messages == []
        assert after({"dfr": {}}) == ["replace-maintainer", "use-copy-for-local-files"]


def test_what_changes_on_the_disk_is_seen(tmp_path: Path) -> None:
    plant(tmp_path, {"Dockerfile": OLD + "RUN one\nRUN two\nCOPY . /app\n"})
    with Editor(tmp_path) as editor:

        def after(name: str, text: str) -> list[object]:
            said = len(editor.published)
            plant(tmp_path, {name: text})
            editor.notice(name)
            return codes(editor, "Dockerfile", said)

        editor.open("Dockerfile")
        assert codes(editor, "Dockerfile") == ["replace-maintainer"]
        level = 'level = "suggested"\n'
        assert after(".dockerfile-refactor.toml", level) == [
            "replace-maintainer",
            "write-dockerignore",
            "merge-runs",
        ]
        assert after(".dockerignore", ".git\n.dockerfile-refactor.toml\n") == [
            "replace-maintainer",
            "merge-runs",
        ]
        ignore = level + 'ignore = ["merge-runs"]\n'
        assert after(".dockerfile-refactor.toml", ignore) == ["replace-maintainer"]
        assert after(".dockerfile-refactor.toml", "x = 1\n") == ["error"]
        (found,) = editor.diagnostics("Dockerfile", len(editor.published) - 1)
        assert "unknown key 'x'" in found.message
        assert found.severity is lsp.DiagnosticSeverity.Error

        said = len(editor.published)
        plant(tmp_path, {".dockerfile-refactor.toml": level, ".dockerignore": ""})
        editor.save("Dockerfile")
        assert "write-dockerignore" in codes(editor, "Dockerfile", said)
        editor.quit()
        assert editor.log.startswith("dfr: ERROR: "), "the broken configuration"
        assert "Traceback" not in editor.log


SLOW = "FROM a\n" + "".join(f"ENV A{i} {i}\n" for i in range(1200))


def test_a_slow_file_holds_nothing_up(tmp_path: Path) -> None:
    plant(tmp_path, {})
    with Editor(tmp_path) as editor:
        editor.open("slow.Dockerfile", SLOW)
        editor.rest(0.5)
        assert not editor.published, "it is at work"
        start = time.monotonic()
        assert editor.hover("none", 0) is None
        editor.type("slow.Dockerfile", (at(1, 0), "# a\n"))
        assert editor.hover("none", 0) is None
        assert time.monotonic() - start < 2, "it answers all the while"
        editor.close("slow.Dockerfile")
        editor.open("Dockerfile", OLD)
        assert codes(editor, "Dockerfile") == ["replace-maintainer"]
        editor.open("slow.Dockerfile", SLOW)
        editor.rest(0.5)
        start = time.monotonic()
        assert editor.quit() == 0
        assert time.monotonic() - start < 5, "nobody waits for it"


def test_messages_that_make_no_sense(tmp_path: Path) -> None:
    plant(tmp_path, {})
    with Editor(tmp_path) as editor:
        stdin = editor.process.stdin
        assert stdin is not None
        for body in (b"{", b"[]", b'{"jsonrpc": "2.0"}', b"\xff", b'{"jsonrpc":"2.0","method":"x"}',
                     b'{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{}}'):  # fmt: skip
            stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        editor.texts[editor.uri("Dockerfile")] = ""
        editor.versions[editor.uri("Dockerfile")] = 0
        editor.type("Dockerfile", "never opened")
        assert editor.actions("Dockerfile") == []
        editor.open("Dockerfile", OLD)
        assert codes(editor, "Dockerfile") == ["replace-maintainer"]
        assert editor.messages == [], "no window opens for it"
        assert editor.quit() == 0
        assert "ERROR" in editor.log


def test_exit_codes(tmp_path: Path) -> None:
    for end, code in (("quit", 0), ("exit", 1), ("close", 1)):
        with Editor(tmp_path) as editor:
            editor.open("Dockerfile", OLD)
            if end == "quit":
                editor.quit()
            elif end == "exit":
                editor._client.exit(None)
            else:
                assert editor.process.stdin is not None
                editor.process.stdin.close()
            assert editor.ended() == code, end
            assert editor.log == ""


def test_nothing_but_messages_goes_to_standard_output(tmp_path: Path) -> None:
    code = (
        "import refactor.server.runs as runs, refactor.cli, sys, os\n"
        "old = runs.run\n"
        "def run(*a, **k):\n"
        "    print('noise'); os.write(1, b'more noise'); return old(*a, **k)\n"
        "runs.run = run\n"
        "sys.argv = ['dfr', 'server']\n"
        "refactor.cli.main()\n"
    )
    plant(tmp_path, {})
    with Editor(tmp_path, command=(sys.executable, "-c", code)) as editor:
        editor.open("Dockerfile", OLD)
        assert codes(editor, "Dockerfile") == ["replace-maintainer"]
        assert editor.quit() == 0
        assert "noise" in editor.log


def test_an_error_in_a_run_is_logged_and_the_next_is_served(tmp_path: Path) -> None:
    code = (
        "import refactor.server.runs as runs, refactor.cli, sys\n"
        "old = runs.run\n"
        "def run(name, data, *a, **k):\n"
        "    if b'bad' in data: raise KeyError('\\x1b[2J')\n"
        "    return old(name, data, *a, **k)\n"
        "runs.run = run\n"
        "sys.argv = ['dfr', 'server']\n"
        "refactor.cli.main()\n"
    )
    plant(tmp_path, {})
    with Editor(tmp_path, command=(sys.executable, "-c", code)) as editor:
        editor.open("Dockerfile", "FROM bad\n")
        assert codes(editor, "Dockerfile") == ["error"]
        editor.type("Dockerfile", OLD)
        assert codes(editor, "Dockerfile") == ["replace-maintainer"]
        assert editor.quit() == 0
        assert "KeyError" in editor.log
        assert "\x1b" not in editor.log


def test_without_the_extra(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pygls'] = None; sys.argv = ['dfr', 'server']\n"
        "import refactor.cli; refactor.cli.main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, input=b"", check=False
    )
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert ended.stderr.decode() == (
        "dfr: the language server needs pygls: pip install 'dockerfile-refactor[lsp]'\n"
    )


def test_the_help_says_how_editors_start_it() -> None:
    ended = subprocess.run([*COMMAND, "--help"], capture_output=True, check=True)
    said = ended.stdout.decode()
    page = (ROOT / "docs" / "editors.md").read_text()
    for name in ("VS Code", "Neovim", "Helix", "Emacs"):
        assert name in said
        assert name in page
    for line in HELP.splitlines():
        if line.startswith("  "):
            assert line.strip() in said
            assert line.strip() in page, "the page has the same snippets"
