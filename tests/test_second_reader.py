"""The second reader agrees with the first wherever it can read at all, and is heard where not."""

import pytest

from refactor.config import Config
from refactor.engine import Refused, Unchanged, run, unsound
from refactor.second_reader import disagreement
from refactor.source import Unreadable, decode
from refactor.syntax import ParseError, parse
from tests import corpus

AGREED = {
    "plain": "FROM a\nRUN b\n",
    "no newline at the end": "FROM a\nRUN b",
    "lower case": "from a\nrun b\n",
    "comments between": "# c\nFROM a\n  # d\nUSER e\n",
    "comments inside": "FROM a\nRUN b \\\n# c\n   # d\n  e\nUSER f\n",
    "CRLF": "FROM a\r\nRUN b \\\r\n  c\r\nUSER d\r\n",
    "blanks behind the escape": "FROM a\nRUN b \\ \t\n c\nUSER d\n",
    "the other escape": "# escape=`\nFROM a\nRUN b `\n c\nUSER d\\\nUSER e\n",
    "a directive that is none": "# c\n# escape=`\nFROM a\nRUN b \\\n c\nUSER d\n",
    "Unicode line ends": "FROM a\nRUN b\u2028USER c\x0bUSER d\x0cUSER e\x85USER f\n",
    "a carriage return": "FROM a\nRUN b\rUSER c\n",
    "JSON": 'FROM a\nCMD ["b", \\\n "c"]\n',
    "ONBUILD": "FROM a\nONBUILD RUN b \\\n c\nUSER d\n",
    "not UTF-8": "# \udce9\nFROM a\nRUN \udcff\n",
    # what dockerfile-parse cannot read, and is not shown
    "heredoc: other instructions": "FROM a\nRUN <<EOF\nUSER b\nEOF\nUSER c\n",
    "heredoc: an escape at the end": "FROM a\nRUN <<EOF\nb \\\nEOF\nUSER c\n",
    "heredoc: blank lines": "FROM a\nRUN <<EOF\n\n  \nb\nEOF\nUSER c\n",
    "heredoc: several": "FROM a\nCOPY <<A <<B /c/\nUSER d\nA\n\nB\nUSER e\n",
    "heredoc: on a continued line": "FROM a\nRUN b \\\n  <<EOF\nUSER c\nEOF\nUSER d\n",
    "heredoc: behind ONBUILD": "FROM a\nONBUILD RUN <<EOF\nUSER c\nEOF\nUSER d\n",
    "heredoc: CRLF": "FROM a\r\nRUN <<EOF\r\nUSER c\r\nEOF\r\nUSER d\r\n",
    "heredoc: at the end": "FROM a\nRUN <<EOF\nUSER b\nEOF",
    "byte-order mark": "\ufeffFROM a\nRUN b\n",
    "byte-order mark and a directive": "\ufeff# escape=`\nFROM a\nRUN b `\n c\nUSER d\n",
    "a blank line inside": "FROM a\nRUN b \\\n\n  c\nUSER d\n",
    "blank lines inside": "FROM a\nRUN b \\\n\n \t\n\n  c \\\n\n  d\nUSER e\n",
    "a blank line inside, CRLF": "FROM a\r\nRUN b \\\r\n\r\n  c\r\nUSER d\r\n",
    "continued at the end": "FROM a\nRUN b \\",
    "continued at the end, with a newline": "FROM a\nRUN b \\\n",
    "continued at the end, with blank lines": "FROM a\nRUN b \\\n\n \n",
    "continued at the end, with a comment": "FROM a\nRUN b \\\n# c",
    "continued at the end by the other escape": "# escape=`\nFROM a\nRUN b `\n",
}


@pytest.mark.parametrize("text", AGREED.values(), ids=AGREED)
def test_both_read_the_same(text: str) -> None:
    assert disagreement(parse(text)) is None


MASKED = ["heredoc", "byte-order mark", "a blank line inside", "continued at the end"]


@pytest.mark.parametrize("limit", MASKED)
def test_a_limit_that_is_masked_is_one(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the mask, a file of each kind would be refused: else the mask could go."""
    texts = [text for name, text in AGREED.items() if name.startswith(limit)]
    monkeypatch.setattr("refactor.second_reader._masked", lambda dockerfile: dockerfile.text)
    assert any(disagreement(parse(text)) for text in texts)


DISAGREED = {
    "doubled escape": (
        "FROM a\nRUN b \\\\\nUSER c\n",
        "3 instructions; dockerfile-parse reads 2",
    ),
    "doubled escape, then more": (
        "FROM a\nRUN b \\\\\nUSER c\nUSER d\nEXPOSE 1\n",
        "'USER' on line 3; dockerfile-parse reads 'USER' on line 4",
    ),
    "a keyword in two": (
        "FROM a\nRU\\\nN b\n",
        "'RUN' on line 2; dockerfile-parse reads 'RU\\\\' on line 2",
    ),
    "the escape first": (
        "FROM a\n\\\nRUN b\n",
        "'RUN' on line 2; dockerfile-parse reads '\\\\' on line 2",
    ),
}


@pytest.mark.parametrize(("text", "wanted"), DISAGREED.values(), ids=DISAGREED)
def test_a_disagreement_names_both_readings(text: str, wanted: str) -> None:
    assert disagreement(parse(text)) == wanted
    result = run("Dockerfile", text.encode(), Config())
    assert isinstance(result, Refused)
    assert result.reason == f"two readers disagree: {wanted}"


def test_bytes_that_are_not_utf8_are_no_disagreement() -> None:
    result = run("Dockerfile", b"# caf\xe9\nFROM a\nRUN \xff\n", Config(ignore=("merge-runs",)))
    assert isinstance(result, Unchanged)


def accepted(data: bytes) -> bool:
    """Whether BuildKit's own parser takes a text."""
    import dockerfile  # a Go library: a process that has loaded it must not fork

    try:
        return bool(dockerfile.parse_string(data.decode()))
    except (dockerfile.GoParseError, UnicodeDecodeError):
        return False


def test_hardly_a_file_of_the_corpus_is_refused() -> None:
    taken, refused = 0, []
    for path in corpus.files(corpus.folder()):
        data = path.read_bytes()
        if not accepted(data):
            continue
        taken += 1
        try:
            problem = unsound(parse(decode(data)))
        except (ParseError, Unreadable):
            continue
        if problem and "two readers disagree" in problem[0]:
            refused.append(f"{path}: {problem[0]}")
    print(f"{len(refused)} of {taken} files that BuildKit takes are refused:", *refused, sep="\n")
    assert taken > 1000
    assert len(refused) < 0.001 * taken, "\n".join(refused)


def test_of_the_bad_files_only_a_keyword_in_two_is_refused_by_this_reader() -> None:
    found = {}
    for path in sorted((corpus.folder() / "bad").glob("*Dockerfile*")):
        if path.is_file():
            try:
                problem = unsound(parse(decode(path.read_bytes())))
            except (ParseError, Unreadable):
                continue
            if problem and "two readers disagree" in problem[0]:
                found[path.name] = problem[0]
    assert found == {
        "continuation-in-word.Dockerfile": "two readers disagree: "
        "'FROM' on line 5; dockerfile-parse reads 'FR\\\\' on line 5"
    }
