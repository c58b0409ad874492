"""Docker's own words: quotes, escapes, variables, pairs; two spellings of one value are equal."""

import time
from collections import defaultdict
from itertools import product
from pathlib import PurePath

import pytest
from e2b_dockerfile_utils import ShellLex
from hypothesis import given, settings
from hypothesis import strategies as st

from refactor.snapshot import Snapshot
from refactor.source import decode
from refactor.syntax import parse
from refactor.words import MAX_VALUE, Value, cut, expand, is_legacy, pairs, parse_words
from tests import corpus

KNOWN = {"A": Value("1"), "B": Value("x y"), "EMPTY": Value("")}
UNKNOWN = {"ARG": Value("1", "ARG ARG=1")}

EXPANDED = {
    "a": "a",
    "": "",
    '"a b"': "a b",
    "'a b'": "a b",
    "a\\ b": "a b",
    "a\"b\"'c'": "abc",
    '""': "",
    '"a\\"b"': 'a"b',
    '"a\\b"': "a\\b",
    "'a\\b'": "a\\b",
    "a\\b": "ab",
    "a\\\\b": "a\\b",
    "$A": "1",
    "${A}": "1",
    "$A$B": "1x y",
    "a${A}b": "a1b",
    '"$A b"': "1 b",
    "$A\\ b": "1 b",
    "$EMPTY": "",
    "${A:-d}": "1",
    "${A-d}": "1",
    "${EMPTY:-d}": "d",
    "${EMPTY-d}": "",
    "${EMPTY:-$A}": "1",
    "${EMPTY:-${A}}": "1",
    "${A:+d}": "d",
    "${EMPTY:+d}": "",
    "${EMPTY+d}": "d",
    "${B#x }": "y",
    "${B%y}": "x ",
    "${B/x/z}": "z y",
    "${A:?no}": "1",
}


@pytest.mark.parametrize(("word", "text"), EXPANDED.items())
def test_a_known_value(word: str, text: str) -> None:
    assert expand(word, KNOWN) == Value(text)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("c:\\a", "c:\\a"),
        ("a` b", "a b"),
        ('"a`"b"', 'a"b'),
        ("\\$A", "\\1"),
        ("'a`b'", "a`b"),
    ],
)
def test_the_other_escape(word: str, text: str) -> None:
    assert expand(word, KNOWN, "`") == Value(text)


SAME = [
    ('"$X b"', "$X\\ b"),
    ("$X", '"$X"'),
    ("a$X", 'a"$X"'),
    ("\\$X", "'$X'"),
    ("\\$A", "'$A'"),
    ('"\\$A b"', "\\$A\\ b"),
    ("${ARG}", '"${ARG}"'),
]
DIFFERENT = [
    ("$X", "${X}"),  # the same in truth: no transform needs to know
    ("$X", "\\$X"),
    ("$X", "'$X'"),
    ("\\$A", "$A"),
    ("$X", "$Y"),
    ("$ARG", "\\$ARG"),
    ("$ARG", "1"),
    ("$Xb", "${X}b"),
    ("$X", "${X:-}"),
    ("${X:-a}", "${X:-b}"),
    ("${X:-a}", "'${X:-a}'"),
    ("${X:+a}", "${X+a}"),
    ('"$X  b"', '"$X b"'),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_of_one_value(one: str, other: str) -> None:
    assert expand(one, KNOWN | UNKNOWN) == expand(other, KNOWN | UNKNOWN)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_two_values(one: str, other: str) -> None:
    assert expand(one, KNOWN | UNKNOWN) != expand(other, KNOWN | UNKNOWN)


def test_what_is_not_known_stays_in_the_text() -> None:
    assert expand("/a/$X/${ARG}", UNKNOWN).text == "/a/$X/${ARG}"
    assert expand("$A$X", KNOWN).text == "1$X"
    assert expand("$X", {}).raw != ""


def test_an_unknown_value_passes_its_identity_on() -> None:
    one = expand("$ARG", {"ARG": Value("1", "ARG ARG=1")})
    other = expand("$ARG", {"ARG": Value("1", "ARG ARG=2")})
    assert one != other
    assert expand("a$B", {"B": one}) != expand("a$B", {"B": other})
    assert expand("a$B", {"B": one}) == expand('"a$B"', {"B": one})


@pytest.mark.parametrize("word", ["$", "a$", "${", "${A", '"a', "'a", "$(a)", "${A!}", "$$"])
def test_what_the_lexer_refuses_equals_only_itself(word: str) -> None:
    found = expand(word, KNOWN)
    assert found == expand(word, KNOWN)
    assert found != expand(word + "x", KNOWN)


def value(word: str, variables: dict[str, str]) -> str | None:
    """Return a word's value where every variable is known; None if it has none."""
    try:
        return ShellLex("\\", env=variables).process_word(word)
    except ValueError:
        return None


def test_equal_means_equal_whatever_the_unknown_variable_is() -> None:
    """All words of up to four of these pieces; two that count as equal are so for any X."""
    pieces = ["$X", "${X}", "${X:-a}", "{X:-a}", "$A", "\\", "'", '"', "$", "a", " ", "X", "}"]
    groups: dict[Value, set[str]] = defaultdict(set)
    for count in range(1, 5):
        for parts in product(pieces, repeat=count):
            word = "".join(parts)
            groups[expand(word, {"A": Value("1")})].add(word)
    assert sum(len(group) > 1 for group in groups.values()) > 500
    for group in groups.values():
        for x in ({}, {"X": ""}, {"X": "v w"}, {"X": "$A"}):
            found = {value(word, {"A": "1"} | x) for word in group}
            assert len(found) == 1, f"{group} are not equal for {x}"


words = st.text(st.sampled_from("ab A\"'\\${}:-/X1"), max_size=12)


@settings(deadline=None, max_examples=300)
@given(words)
def test_no_word_is_an_error_and_a_known_value_has_no_dollar_left(word: str) -> None:
    found = expand(word, KNOWN | UNKNOWN)
    assert found.raw or "$" not in found.text


@settings(deadline=None, max_examples=300)
@given(words)
def test_quoting_a_word_that_has_no_syntax_changes_nothing(word: str) -> None:
    plain = "".join(c for c in word if c not in "\"'\\${}")
    escaped = plain.replace(" ", "\\ ")
    assert expand(f'"{plain}"', KNOWN) == expand(escaped, KNOWN) == Value(plain)


def seconds_to_build(text: str) -> float:
    """Return how long the effects model of a text takes."""
    started = time.process_time()
    snapshot = Snapshot(PurePath("Dockerfile"), text, parse(text))
    assert snapshot.build.stages
    return time.process_time() - started


def test_values_do_not_grow_without_bounds() -> None:
    known = {"A": Value("x" * MAX_VALUE), "LONG": Value("x" * (MAX_VALUE + 1))}
    assert expand("$A", known) == known["A"]
    long = expand("$LONG", known)
    assert (len(long.text) <= MAX_VALUE, len(long.raw) < 300) == (True, True)
    assert long != expand("$LONG", known | {"LONG": Value("x" * (MAX_VALUE + 2))})


@pytest.mark.parametrize("form", ['"${V%d}${V%d}"', "a$V%d,$V%d", "${V%d:-a}${V%d}"])
def test_a_long_chain_of_variables_takes_no_time(form: str) -> None:
    lines = [f"ENV V{n + 1}={form % (n, n)}" for n in range(3000)]
    assert seconds_to_build("\n".join(["FROM a", "ENV V0=1", *lines, "RUN b", ""])) < 2


def test_the_bad_chain_takes_no_time() -> None:
    text = decode((corpus.folder() / "bad" / "env-3000.Dockerfile").read_bytes())
    assert text.count("\n") > 2000
    assert seconds_to_build(text) < 2


PAIRS = {
    # the old form: one key, the rest of the line
    "ENV A b": [("A", "b")],
    "ENV A b  c ": [("A", "b  c")],
    "ENV A\t b=c": [("A", "b=c")],
    "ENV A = b": [("A", "= b")],
    'ENV A "b c"': [("A", '"b c"')],
    "ENV A b \\\n   c": [("A", "b    c")],
    'LABEL a.b "c d" e': [("a.b", '"c d" e')],
    'ENV "A" b': [('"A"', "b")],
    # the new form
    "ENV A=b": [("A", "b")],
    "ENV A=": [("A", "")],
    "ENV A=b C=d=e": [("A", "b"), ("C", "d=e")],
    "ENV A=b \\\n  # c\n  D=e": [("A", "b"), ("D", "e")],
    "ENV A=\"b c\" D='e f' G=h\\ i": [("A", '"b c"'), ("D", "'e f'"), ("G", "h\\ i")],
    'ENV A="b\\" c" D=e': [("A", '"b\\" c"'), ("D", "e")],
    'LABEL "a b"=c': [('"a b"', "c")],
    'LABEL "a=b" c=d': [('"a', 'b"'), ("c", "d")],
    "ENV A=b\\\nc": [("A", "bc")],
}


@pytest.mark.parametrize(("text", "wanted"), PAIRS.items())
def test_pairs(text: str, wanted: list[tuple[str, str]]) -> None:
    (ins,) = parse(text).instructions
    assert pairs(ins, "\\") == wanted
    old = list(PAIRS)[:8]
    assert is_legacy(ins, "\\") is (text in old)


@pytest.mark.parametrize(("text", "wanted"), PAIRS.items())
def test_pairs_are_buildkits(text: str, wanted: list[tuple[str, str]]) -> None:
    import dockerfile

    (command,) = dockerfile.parse_string(text)
    values = list(command.value)
    assert list(zip(values[::2], values[1::2], strict=True)) == wanted


def test_pairs_with_the_other_escape() -> None:
    (ins,) = parse("# escape=`\nENV A=b` c D=e\\ F=g\n").instructions
    assert pairs(ins, "`") == [("A", "b` c"), ("D", "e\\"), ("F", "g")]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a b\tc\u00a0d", ["a", "b", "c", "d"]),
        ("", []),
        ("a\\ b c", ["a\\ b", "c"]),
        ("'a b' \"c d\"e", ["'a b'", '"c d"e']),
        ("'a\\' b", ["'a\\'", "b"]),
        ("a\x1fb", ["a\x1fb"]),
    ],
)
def test_words_of_a_line(text: str, wanted: list[str]) -> None:
    assert parse_words(text, "\\") == wanted


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        ("a", ("a", "", "")),
        ("a  b c", ("a", "  ", "b c")),
        ("a\t b", ("a", "\t ", "b")),
        ("a\u00a0b c", ("a\u00a0b", " ", "c")),
        ("", ("", "", "")),
    ],
)
def test_cut(args: str, wanted: tuple[str, str, str]) -> None:
    assert cut(args) == wanted
