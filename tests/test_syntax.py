"""BuildKit's reading of a text: rule by rule (rule book, section 1), and against BuildKit."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refactor.engine import unsound
from refactor.source import Span, Unreadable, decode
from refactor.syntax import (
    MAX_LINE_BYTES,
    Dockerfile,
    Instruction,
    ParseError,
    TriviaKind,
    parse,
    parse_again,
)
from tests import corpus


@dataclass(frozen=True)
class Reading:
    """What two readers of one instruction can both say."""

    keyword: str
    flags: tuple[str, ...]
    json: bool
    bodies: tuple[str, ...]
    lines: tuple[int, int]


def ours(text: str) -> list[Reading] | str:
    """Return our reading, or why there is none."""
    try:
        found = parse(text)
    except ParseError as error:
        return str(error)
    ends = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    return [_reading(found, ins, ends) for ins in found.instructions]


def _reading(found: Dockerfile, ins: Instruction, ends: list[int]) -> Reading:
    flags = tuple(f"--{f.name}" + ("" if f.value is None else f"={f.value}") for f in ins.flags)
    # of what ONBUILD defers, the binding does not show heredocs
    bodies = () if ins.trigger else tuple(bodies_of(found, ins))
    lines = (bisect_right(ends, ins.span.start), bisect_right(ends, ins.span.end - 1))
    return Reading(ins.keyword, flags, (ins.trigger or ins).json is not None, bodies, lines)


def bodies_of(found: Dockerfile, ins: Instruction) -> list[str]:
    """Return the texts of an instruction's heredocs."""
    return [found.text[h.body.start : h.body.end] for h in ins.heredocs]


def theirs(text: str) -> list[Reading] | str:
    """Return BuildKit's reading, or why there is none."""
    import dockerfile  # a Go library: a process that has loaded it must not fork

    try:
        found = dockerfile.parse_string(text)
    except (dockerfile.GoParseError, UnicodeError) as error:
        return str(error)
    return [
        Reading(
            (c.cmd or "").upper(),
            c.flags,
            c.json,
            tuple(h.content for h in c.heredocs),
            (c.start_line, c.end_line),
        )
        for c in found
    ]


def logical(text: str) -> list[str]:
    """Return every instruction as its keyword and its arguments."""
    return [f"{ins.keyword} {ins.args}".rstrip() for ins in parse(text).instructions]


LINES = {
    # P1: what continues a line
    "one line": ("RUN a\n", ["RUN a"]),
    "no newline at the end": ("RUN a", ["RUN a"]),
    "continued": ("RUN a \\\n b\n", ["RUN a  b"]),
    "blanks behind the escape": ("RUN a \\ \t \n b\n", ["RUN a  b"]),
    "a form feed behind the escape is no blank": ("RUN a \\\f\nRUN b\n", ["RUN a \\", "RUN b"]),
    "a comment behind the escape": ("RUN a \\ # c\nRUN b\n", ["RUN a \\ # c", "RUN b"]),
    "two escapes": ("RUN a \\\\\nRUN b\n", ["RUN a \\\\", "RUN b"]),
    "three escapes": ("RUN a \\\\\\\nRUN b\n", ["RUN a \\\\\\", "RUN b"]),
    "two escapes and a blank": ("RUN a \\\\ \nRUN b\n", ["RUN a \\\\", "RUN b"]),
    "a line of the escape alone": ("RUN a \\\n\\\n b\n", ["RUN a  b"]),
    "the escape alone comes first": ("\\\nRUN a\n", ["RUN a"]),
    "two parted escapes": ("RUN a \\ \\\n b\n", ["RUN a \\  b"]),
    # P2: comments and blank lines inside
    "a comment inside": ("RUN a \\\n# c\n b\n", ["RUN a  b"]),
    "an indented comment inside": ("RUN a \\\n  \t# c\n b\n", ["RUN a  b"]),
    "a comment does not end it": ("RUN a \\\n# c\nRUN b\n", ["RUN a RUN b"]),
    "a comment that ends in an escape": ("RUN a \\\n# c \\\nb\n", ["RUN a b"]),
    "a comment inside quotes": ('RUN "a \\\n# c\n b"\n', ['RUN "a  b"']),
    "a blank line inside": ("RUN a \\\n\n \t\n b\n", ["RUN a  b"]),
    "a blank line does not end it": ("RUN a \\\n\nRUN b\n", ["RUN a RUN b"]),
    "a # that is not first is none": ("RUN a \\\n b # c\n", ["RUN a  b # c"]),
    # P3: joined without a blank, leading blanks kept
    "joined without a blank": ("RUN apt-get\\\nupdate\n", ["RUN apt-getupdate"]),
    "joined inside a keyword": ("RU\\\nN a\n", ["RUN a"]),
    "leading blanks stay": ("RUN a\\\n  \tb\n", ["RUN a  \tb"]),
    # P6: a mark, carriage returns
    "a byte-order mark": ("\ufeffFROM a\n", ["FROM a"]),
    "a mark elsewhere is text": ("FROM a\n\ufeffRUN b\n", ["FROM a", "\ufeffRUN b"]),
    "CRLF": ("FROM a\r\nRUN b \\\r\n c\r\n", ["FROM a", "RUN b  c"]),
    "mixed line ends": ("FROM a\nRUN b \\\r\n\r\n# d\n c\r\n", ["FROM a", "RUN b  c"]),
    "CR alone ends nothing": ("FROM a\rRUN b\n", ["FROM a\rRUN b"]),
    "Unicode line ends end nothing": (
        "RUN a\u2028b\u0085c\x1cd\x0be\n",
        ["RUN a\u2028b\u0085c\x1cd\x0be"],
    ),
    # P10: keywords
    "any case": ("from a\nrUn b\n", ["FROM a", "RUN b"]),
    "indented": ("  FROM a\n\tRUN b\n", ["FROM a", "RUN b"]),
    "a tab behind the keyword": ("FROM\ta\n", ["FROM a"]),
    "a no-break space is no end of a keyword": ("FROM\u00a0a\n", ["FROM\u00a0A"]),
    "a no-break space behind a blank": ("FROM \u00a0a\n", ["FROM a"]),
    "a keyword alone": ("RUN\n", ["RUN"]),
    "unknown keywords": ("<html> a\n", ["<HTML> a"]),
    # at the end of the file
    "continued at the end": ("RUN a \\", ["RUN a"]),
    "continued at the end, with a newline": ("RUN a \\\n", ["RUN a"]),
    "continued, then blank lines": ("RUN a \\\n\n \n", ["RUN a"]),
    "continued, then a comment": ("RUN a \\\n# c\n", ["RUN a"]),
    "continued with a carriage return": ("RUN a \\\r\n", ["RUN a"]),
    # ENV and LABEL
    "old form": ("ENV A b  c\n", ["ENV A b  c"]),
    "new form": ("ENV A=1 B='c d' C=e\\ f\n", ["ENV A=1 B='c d' C=e\\ f"]),
    "a unit separator is no blank": ("ENV A=1\x1fB C=2\n", ["ENV A=1\x1fB C=2"]),
}


@pytest.mark.parametrize(("text", "wanted"), LINES.values(), ids=LINES)
def test_logical_lines(text: str, wanted: list[str]) -> None:
    assert logical(text) == wanted


@pytest.mark.parametrize(("text", "wanted"), LINES.values(), ids=LINES)
def test_logical_lines_are_buildkits(text: str, wanted: list[str]) -> None:
    assert ours(text) == theirs(text)


DIRECTIVES = {
    "none": ("FROM a\n", {}, "\\"),
    "syntax": ("# syntax=docker/dockerfile:1\nFROM a\n", {"syntax": "docker/dockerfile:1"}, "\\"),
    "escape": ("# escape=`\nFROM a\n", {"escape": "`"}, "`"),
    "the default, said": ("# escape=\\\nFROM a\n", {"escape": "\\"}, "\\"),
    "any case, any blanks": ("  #\tEsCaPe  = ` \nFROM a\n", {"escape": "`"}, "`"),
    "behind a mark": ("\ufeff#escape=`\nFROM a\n", {"escape": "`"}, "`"),
    "CRLF": ("#escape=`\r\nFROM a\r\n", {"escape": "`"}, "`"),
    "check": ("#check=skip=all;error=true\nFROM a\n", {"check": "skip=all;error=true"}, "\\"),
    "all three": (
        "#escape=`\n#syntax=a b\n#check=skip=x\nFROM a\n",
        {"escape": "`", "syntax": "a b", "check": "skip=x"},
        "`",
    ),
    "below a comment": ("# c\n# escape=`\nFROM a\n", {}, "\\"),
    "below a blank line": ("\n# escape=`\nFROM a\n", {}, "\\"),
    "below an unknown one": ("# foo=bar\n# escape=`\nFROM a\n", {}, "\\"),
    "below an instruction": ("FROM a\n# escape=`\n", {}, "\\"),
    "twice, but the second below a comment": ("#escape=`\n# c\n#escape=`\n", {"escape": "`"}, "`"),
    "without a value": ("# escape=\nFROM a\n", {}, "\\"),
    "with a dash": ("# es-cape=`\n# escape=`\nFROM a\n", {}, "\\"),
}


@pytest.mark.parametrize(("text", "found", "escape"), DIRECTIVES.values(), ids=DIRECTIVES)
def test_directives(text: str, found: dict[str, str], escape: str) -> None:
    dockerfile = parse(text)
    assert (dockerfile.directives, dockerfile.escape) == (found, escape)
    kinds = [item.kind for item in dockerfile.items if not isinstance(item, Instruction)]
    assert kinds.count(TriviaKind.DIRECTIVE) == (1 if found else 0)


@pytest.mark.parametrize(("text", "found", "escape"), DIRECTIVES.values(), ids=DIRECTIVES)
def test_directives_have_the_effect_that_buildkit_gives_them(
    text: str, found: dict[str, str], escape: str
) -> None:
    known = [line for line in text.split("\n") if "check=" not in line]  # the binding is older
    text = "\n".join([*known, "RUN a `", "RUN b \\", "RUN c", ""])
    assert ours(text) == theirs(text)
    assert (logical(text)[-1] == "RUN b RUN c") is (escape == "\\")


BACKTICK = {
    "continuation": ("RUN a `\n b\n", ["RUN a  b"]),
    "blanks behind it": ("RUN a ` \n b\n", ["RUN a  b"]),
    "a backslash is text": ("RUN dir c:\\\nRUN b\n", ["RUN dir c:\\", "RUN b"]),
    "two": ("RUN a ``\nRUN b\n", ["RUN a ``", "RUN b"]),
    "in pairs": ("ENV A=b` c D=e\n", ["ENV A=b` c D=e"]),
    "quotes": ('ENV A="b`" c" D=e\n', ['ENV A="b`" c" D=e']),
}


@pytest.mark.parametrize(("text", "wanted"), BACKTICK.values(), ids=BACKTICK)
def test_the_other_escape(text: str, wanted: list[str]) -> None:
    text = f"# escape=`\n{text}"
    assert logical(text) == wanted
    assert ours(text) == theirs(text)


HEREDOCS = {
    "one": ("RUN <<EOF\na\nb\nEOF\n", [["a\nb\n"]]),
    "empty": ("RUN <<EOF\nEOF\n", [[""]]),
    "the end needs no newline": ("RUN <<EOF\na\nEOF", [["a\n"]]),
    "two": ("COPY <<A <<B /x\na\nA\nb\nB\n", [["a\n", "b\n"]]),
    "in a pipe": ("RUN cat <<A | cat - <<B\na\nA\nb\nB\n", [["a\n", "b\n"]]),
    "ADD": ("ADD <<A /x\na\nA\n", [["a\n"]]),
    "quoted": ("RUN <<'EOF'\n$a\nEOF\n", [["$a\n"]]),
    "double-quoted, with a blank": ('RUN <<"E F"\na\nE F\n', [["a\n"]]),
    "half quoted": ("RUN <<E'O'F\na\nEOF\n", [["a\n"]]),
    "with a number": ("RUN 3<<EOF cat\na\nEOF\n", [["a\n"]]),
    "tabs in front of the end": ("RUN <<-EOF\n\ta\n\t\tEOF\n", [["\ta\n"]]),
    "a blank in front of the end": ("RUN <<-EOF\n EOF\n\tEOF\n", [[" EOF\n"]]),
    "tabs, without a dash": ("RUN <<EOF\n\tEOF\nEOF\n", [["\tEOF\n"]]),
    "a blank behind the end": ("RUN <<EOF\nEOF \nEOF\n", [["EOF \n"]]),
    "what looks like a Dockerfile": (
        "RUN <<EOF\nFROM b\n# c \\\n\n<<A\nEOF\nUSER c\n",
        [["FROM b\n# c \\\n\n<<A\n"], []],
    ),
    "text behind the word": ("RUN <<EOF bash -e\na\nEOF\n", [["a\n"]]),
    "opened on a continued line": ("RUN a \\\n <<EOF\nb\nEOF\n", [["b\n"]]),
    "the word is cut": ("RUN <<E\\\nOF\nb\nEOF\n", [["b\n"]]),
    "CRLF": ("RUN <<EOF\r\na\r\nEOF\r\nUSER b\r\n", [["a\r\n"], []]),
    "behind ONBUILD": ("ONBUILD COPY <<EOF /x\na\nEOF\nUSER b\n", [["a\n"], []]),
    "not behind CMD": ("CMD <<EOF\nUSER b\n", [[], []]),
    "not in a JSON form": ('RUN ["a", "<<EOF"]\nUSER b\n', [[], []]),
    "not three of them": ("RUN cat <<<EOF\nUSER b\n", [[], []]),
    "not in quotes": ('RUN echo "<<EOF"\nUSER b\n', [[], []]),
    "not escaped": ("RUN echo \\<<EOF\nUSER b\n", [[], []]),
    "not in the middle of a word": ("RUN a<<EOF\nUSER b\n", [[], []]),
    "not without a word": ("RUN a <<\nUSER b\n", [[], []]),
}


@pytest.mark.parametrize(("text", "wanted"), HEREDOCS.values(), ids=HEREDOCS)
def test_heredocs(text: str, wanted: list[list[str]]) -> None:
    found = parse(text)
    assert [bodies_of(found, ins) for ins in found.instructions] == wanted
    assert ours(text) == theirs(text)


def test_what_a_heredoc_is_told_by_its_word() -> None:
    (run,) = parse("RUN <<A <<-'B'\na\nA\nb\nB\n").instructions
    assert [(h.name, h.chomp, h.expand) for h in run.heredocs] == [
        ("A", False, True),
        ("B", True, False),
    ]


def test_the_instruction_behind_onbuild_has_the_heredoc_too() -> None:
    (onbuild,) = parse("ONBUILD RUN <<EOF\na\nEOF\n").instructions
    assert onbuild.trigger is not None
    assert onbuild.trigger.heredocs == onbuild.heredocs
    assert onbuild.trigger.span == onbuild.span


JSON = {
    "one": ('CMD ["a"]\n', ("a",)),
    "blanks": ('CMD [ "a" , "b c" ]  \n', ("a", "b c")),
    "empty": ("CMD []\n", ()),
    "escapes": ('CMD ["a\\"\\u00e9\\\\"]\n', ('a"é\\',)),
    "continued": ('CMD ["a", \\\n# c\n  "b"]\n', ("a", "b")),
    "with flags": ('RUN --mount=type=tmpfs,target=/t ["a"]\n', ("a",)),
    "single quotes": ("CMD ['a']\n", None),
    "a comma too many": ('CMD ["a",]\n', None),
    "a comma too few": ('CMD ["a" "b"]\n', None),
    "an escape that JSON lacks": ('CMD ["a\\ b"]\n', None),
    "not closed": ('CMD ["a"\n', None),
    "a test": ("RUN [ -f a ] && b\n", None),
    "an object": ('RUN {"a": 1}\n', None),
    "a bare string": ('RUN "a"\n', None),
    "no number of JSON": ("CMD [NaN]\n", None),
    "not of ENV": ('ENV A=["a"]\n', None),
    "not of USER": ('USER ["a"]\n', None),
    "COPY": ('COPY ["a b", "/c"]\n', ("a b", "/c")),
    "VOLUME": ('VOLUME ["/a"]\n', ("/a",)),
    "HEALTHCHECK": ('HEALTHCHECK --interval=1s CMD ["a"]\n', ("a",)),
    "HEALTHCHECK NONE": ("HEALTHCHECK NONE\n", None),
    # Since 2024 (moby/buildkit#5107) it is the shell form: the binding's BuildKit is older.
    "text behind it": ('RUN ["a"] && b\n', ("a",)),
    "a comment behind it": ('CMD ["a"] # b\n', ("a",)),
}


@pytest.mark.parametrize(("text", "wanted"), JSON.values(), ids=JSON)
def test_json(text: str, wanted: tuple[str, ...] | None) -> None:
    (ins,) = parse(text).instructions
    assert ins.json == wanted
    assert ours(text) == theirs(text)


@pytest.mark.xfail(strict=True, reason="BuildKit reads it as shell form since 2024, others do not")
@pytest.mark.parametrize("text", ['RUN ["a"] && b\n', 'CMD ["a"] # b\n'])
def test_text_behind_a_json_form_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse(text)


def test_json_behind_onbuild() -> None:
    (ins,) = parse('ONBUILD RUN ["a"]\n').instructions
    assert ins.json is None
    assert ins.trigger is not None
    assert (ins.trigger.keyword, ins.trigger.json) == ("RUN", ("a",))


FLAGS = {
    "none": ("COPY a b\n", [], "a b"),
    "one": ("COPY --from=x a b\n", [("from", "x")], "a b"),
    "two": ("COPY --from=x --link a b\n", [("from", "x"), ("link", None)], "a b"),
    "on lines of their own": (
        "RUN --mount=a \\\n  # c\n  --network=none \\\n  b --c\n",
        [("mount", "a"), ("network", "none")],
        "b --c",
    ),
    "quotes": ("COPY --chown=\"a b\":'c d' x y\n", [("chown", "a b:c d")], "x y"),
    "escapes": ("COPY --from=a\\ b x y\n", [("from", "a b")], "x y"),
    "escaped quotes": ('COPY --from="a\\"b" x y\n', [("from", 'a"b')], "x y"),
    "an escape inside single quotes": ("COPY --from='a\\'b' x y\n", [("from", "a'b")], "x y"),
    "no value": ("COPY --from= a b\n", [("from", "")], "a b"),
    "= twice": ("RUN --mount=type=cache,target=/a b\n", [("mount", "type=cache,target=/a")], "b"),
    "an end of flags": ("COPY -- --from a\n", [], "--from a"),
    "flags, then their end": ("COPY --link -- --a b\n", [("link", None)], "--a b"),
    "one dash is none": ("RUN -x --y a\n", [], "-x --y a"),
    "not behind the arguments": ("RUN a --b=c\n", [], "a --b=c"),
    "nothing but flags": ("RUN --mount=a\n", [("mount", "a")], ""),
    "not closed": ("COPY --from='a b c\n", [("from", "a b c")], ""),
    "twice": ("RUN --mount=a --mount=b c\n", [("mount", "a"), ("mount", "b")], "c"),
    "behind a no-break space": ("COPY \u00a0--from=x a b\n", [], "--from=x a b"),
}


@pytest.mark.parametrize(("text", "flags", "args"), FLAGS.values(), ids=FLAGS)
def test_flags(text: str, flags: list[tuple[str, str | None]], args: str) -> None:
    (ins,) = parse(text).instructions
    assert ([(f.name, f.value) for f in ins.flags], ins.args) == (flags, args)
    assert ours(text) == theirs(text)


def test_flags_are_escaped_by_a_backslash_whatever_the_directive_says() -> None:
    text = "# escape=`\nCOPY --from=a\\ b --chown=c` x y\n"
    (ins,) = parse(text).instructions
    assert [(f.name, f.value) for f in ins.flags] == [("from", "a b"), ("chown", "c`")]
    assert ours(text) == theirs(text)


def test_a_flag_knows_its_place() -> None:
    (run,) = parse("RUN  --mount='a b' --x c\n").instructions
    places = [run.logical.text[f.start : f.end] for f in run.flags]
    assert places == ["--mount='a b'", "--x"]
    assert (run.flag("mount"), run.flag("x"), run.flag("y")) == ("a b", None, None)


REFUSED = {
    "a directive twice": ("#escape=`\n#escape=`\nFROM a\n", "only one escape", 2),
    "an escape that is none": ("# escape=x\nFROM a\n", "escape directive", 1),
    "a heredoc without an end": ("FROM a\nRUN <<EOF\na\nEOFF\n", "unterminated", 2),
    "the second one without an end": ("RUN <<A <<B\nA\n", "unterminated", 1),
    "a heredoc at the end of the file": ("RUN <<A", "unterminated", 1),
    "numbers in JSON": ("FROM a\nCMD [1]\n", "only strings", 2),
    "nested JSON": ('CMD [["a"]]\n', "only strings", 1),
    "ENV without a value": ("ENV A\n", "two arguments", 1),
    "ENV with a no-break space": ("ENV A\u00a0b\n", "two arguments", 1),
    "ENV with a word too many": ("FROM a\n\nENV A=1 B\n", "no = in 'B'", 3),
    "LABEL behind ONBUILD": ("ONBUILD LABEL a\n", "two arguments", 1),
    "a line that is too long": (f"FROM a\n#{'x' * MAX_LINE_BYTES}\n", "longer", 2),
    "a carriage return counts": (f"FROM a\n#{'x' * (MAX_LINE_BYTES - 1)}\r\n", "longer", 2),
    "bytes count, not characters": (f"FROM a\n#{'é' * 32768}\n", "longer", 2),
    "an escape character alone": ("FROM a\n\\\n\n", "unknown instruction", 2),
}


@pytest.mark.parametrize(("text", "reason", "line"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, reason: str, line: int) -> None:
    with pytest.raises(ParseError, match=reason) as error:
        parse(text)
    assert error.value.line == line
    if "unknown instruction" not in reason:  # that is for BuildKit's next step to say
        assert isinstance(theirs(text), str)


@pytest.mark.parametrize(
    "text",
    [
        "RUN cat << EOF\na\nEOF\n",
        "RUN a <<- 'E'\nE\n",
        "RUN a << $b\n",
        "RUN a 3<< b\n",
        "RUN a << <<E\nE\n",
        "RUN echo $((1 << $n))\n",
        "ONBUILD RUN a <<\tb\n",
    ],
)
def test_a_blank_behind_the_arrows_is_refused(text: str) -> None:
    """BuildKit sees no heredoc here, other engines and newer versions do."""
    with pytest.raises(ParseError, match="engines read it differently"):
        parse(text)


@pytest.mark.parametrize("end", ["", "\n"])
def test_the_longest_line(end: str) -> None:
    text = f"FROM a\n#{'x' * (MAX_LINE_BYTES - 1)}{end}"
    assert logical(text) == ["FROM a"]
    assert ours(text) == theirs(text)


def test_line() -> None:
    found = parse("FROM a\n\nRUN b \\\n c\n")
    assert [found.line(ins.span.start) for ins in found.instructions] == [1, 3]
    assert found.line(found.instructions[1].span.end - 1) == 4


def test_items_and_comments() -> None:
    text = "# syntax=a\n# b\n\n \nFROM a\n# c\n  # d\nRUN e \\\n  # f\n\n  g\n"
    found = parse(text)
    kinds = [i.keyword if isinstance(i, Instruction) else i.kind.value for i in found.items]
    assert kinds == ["directive", "comment", "blank", "FROM", "comment", "RUN"]
    assert found.comments == ("# syntax=a", "# b", "# c", "# d", "# f")


def test_places() -> None:
    text = "from a\r\n  Run  b \\\r\n   # c\r\n  d  \r\n"
    start, run = parse(text).instructions
    assert text[run.keyword_span.start : run.keyword_span.end] == "Run"
    assert text[run.args_span.start : run.args_span.end] == "b \\\r\n   # c\r\n  d"
    assert text[: run.code_end].endswith("  d")
    assert run.logical.contiguous(run.start, run.args_start + 1)
    assert not run.logical.contiguous(run.args_start, run.args_end)
    assert start.logical.span(0, 0) == Span(0, 0)


@pytest.mark.parametrize(
    ("text", "offset", "newline"),
    [
        ("a\nb", 0, "\n"),
        ("a\r\nb", 0, "\r\n"),
        ("a\r\nb", 3, "\r\n"),
        ("a", 0, "\n"),
        ("", 0, "\n"),
    ],
)
def test_newline(text: str, offset: int, newline: str) -> None:
    assert Dockerfile(text, ()).newline(offset) == newline


PIECES = [
    "# syntax=docker/dockerfile:1", "#escape=`", "# escape=\\", "# Escape = `", "#x=y", "# a",
    "  # b", "", "  ", "\t", "FROM a", "from A as b", "FROM a \\", "RUN a && \\", "  b", "  b \\",
    "RUN a \\  ", "RUN a \\\\", "RUN a \\\\\\", "RUN a `", "RUN a ``", "RUN <<EOF", "RUN <<-EOF",
    "RUN <<'E F'", 'COPY <<"A" <<B /x', "ONBUILD COPY <<EOF /x", "RUN <<<EOF", "RUN 3<<EOF cat",
    "EOF", "\tEOF", "EOF ", "A", "B", "E F", 'RUN ["a", "b"]', "RUN ['a']", 'RUN ["a"] x',
    'RUN ["a" <<EOF', 'CMD ["a",]', "CMD [1]", "CMD []", "SHELL sh", 'SHELL ["a"]',
    'HEALTHCHECK --interval=1s CMD ["a"]', "HEALTHCHECK NONE", "HEALTHCHECK", 'ONBUILD RUN ["a"]',
    "ONBUILD RUN --mount=x a", "ONBUILD", "ENV A b", "ENV A=b C=d", 'ENV A="b c" \\', "  D='e f'",
    "ENV A", 'LABEL "a b"=c d=\\ e', 'COPY --from=a --chown="a b" x y', "COPY -- x y",
    "RUN --mount=type=a\\ b --  c", "RUN --x", "RUN", "ARG", "ARG A=1 B", "Copy\ta b", "co\\",
    "py a b", "RUN echo <<A <<\\", "FROM\u00a0a", "\u00a0FROM a", 'VOLUME ["/a"]', "VOLUME /a /b",
    "WORKDIR /a b", "RUN cat <<EOF | sh <<EOF2", "EOF2", 'RUN echo "<<EOF"', "RUN echo \\<<EOF",
    "\x0b\x0c RUN x", "RUN a\x0c\\", "FROM a\rb", 'RUN {"a":1}', "ONBUILD ONBUILD RUN a", "ENV \\",
    "A=1", "ENV A=1 \\ ", "LABEL a.b c", "RUN é\u2028\x1f", "RUN cat << EOF", "\\",
]  # fmt: skip
texts = st.builds(
    lambda mark, lines, newline, end: mark + newline.join(lines) + end,
    st.sampled_from(["", "", "\ufeff"]),
    st.lists(st.sampled_from(PIECES), max_size=9),
    st.sampled_from(["\n", "\n", "\r\n"]),
    st.sampled_from(["", "\n", "\r\n"]),
)


@settings(max_examples=400, deadline=None)
@given(texts)
def test_items_tile_the_text_and_characters_know_their_home(text: str) -> None:
    try:
        found = parse(text)
    except ParseError:
        return
    assert "".join(text[i.span.start : i.span.end] for i in found.items) == text
    for ins in found.instructions:
        for line in filter(None, (ins, ins.trigger)):
            homes = [line.logical.home(index) for index in range(len(line.logical.text))]
            assert "".join(text[home] for home in homes) == line.logical.text
            assert homes == sorted(set(homes))
            assert all(line.span.start <= home < line.span.end for home in homes)


@settings(max_examples=400, deadline=None)
@given(texts)
def test_any_text_is_read_as_buildkit_does(text: str) -> None:
    mine, their = ours(text), theirs(text)
    if isinstance(mine, str) and not isinstance(their, str):
        assert "blank between <<" in mine or "escape character alone" in mine
    elif isinstance(their, str):
        assert isinstance(mine, str) or "no instructions" in their
    else:
        assert mine == their


@settings(max_examples=400, deadline=None)
@given(texts, st.integers(0, 200), st.integers(0, 20), st.sampled_from(["", "\n", "\\", *PIECES]))
def test_what_is_kept_of_another_text_is_what_would_be_read(
    text: str, at: int, length: int, piece: str
) -> None:
    changed = text[:at] + piece + text[at + length :]
    try:
        before = parse(text)
    except ParseError:
        return
    assert _read(lambda: parse_again(changed, before)) == _read(lambda: parse(changed))


def _read(read: Callable[[], Dockerfile]) -> Dockerfile | tuple[str, int]:
    try:
        return read()
    except ParseError as error:
        return str(error), error.line


def test_what_stands_in_front_of_a_difference_is_kept() -> None:
    before = parse("# escape=`\nFROM a\n# b\nRUN c `\n d\nRUN e\n")
    after = parse_again(before.text.replace("e\n", "f `\n g\n"), before)
    assert after.instructions[1] is before.instructions[1]
    assert [ins.args for ins in after.instructions] == ["a", "c  d", "f  g"]


# Files on which we and BuildKit differ, with the reason: what we say, and what BuildKit says.
NO_INSTRUCTIONS = ("no instructions", "file with no instructions")
NOT_UTF8 = ("", "codec can't decode")  # BuildKit takes any bytes, its binding only text
EXPLAINED = {
    "bom-utf16le.Dockerfile": ("UTF-16", "codec can't decode"),
    "empty.Dockerfile": NO_INSTRUCTIONS,
    "only-comments.Dockerfile": NO_INSTRUCTIONS,
    "only-directives.Dockerfile": NO_INSTRUCTIONS,
    "only-newlines.Dockerfile": NO_INSTRUCTIONS,
    "invalid-utf8-run.Dockerfile": NOT_UTF8,
    "latin1-comment.Dockerfile": NOT_UTF8,
    "surrogate-utf8.Dockerfile": NOT_UTF8,
    "terminal-escapes.Dockerfile": NOT_UTF8,
    "unicode-identifiers.Dockerfile": ("", ""),  # BuildKit takes a flag's bytes for characters
    "heredoc-empty-delimiter.Dockerfile": ("a blank between <<", ""),  # on purpose
    "nul-bytes.Dockerfile": ("NUL bytes", ""),  # on purpose: no shell could be given them
}


def judged(path: Path) -> tuple[list[Reading] | str, list[Reading] | str]:
    """Return both readings of a file."""
    data = path.read_bytes()
    try:
        their = theirs(data.decode())
    except UnicodeDecodeError as error:
        their = str(error)
    try:
        mine = ours(decode(data))
        if not mine:
            mine = (unsound(parse(decode(data))) or ("", 0))[0]
    except Unreadable as error:
        mine = str(error)
    return mine, their


def test_every_file_of_the_corpus_is_read_as_buildkit_does() -> None:
    differ, taken = [], 0
    for path in corpus.files(corpus.folder()):
        mine, their = judged(path)
        taken += not isinstance(their, str)
        if mine != their and not (isinstance(mine, str) and isinstance(their, str)):
            differ.append(f"{path}: {mine!r:.200} where BuildKit has {their!r:.200}")
    print(f"{taken} files that BuildKit takes, {len(differ)} differences")
    assert not differ, "\n".join(differ[:20])
    assert taken > 1000


def test_every_bad_file_is_read_as_buildkit_does_or_explained() -> None:
    paths = sorted((corpus.folder() / "bad").rglob("*Dockerfile*"))
    seen: set[str] = set()
    for path in paths:
        if not path.is_file():
            continue
        mine, their = judged(path)
        if mine == their or (
            path.name not in EXPLAINED and isinstance(mine, str) and isinstance(their, str)
        ):
            continue
        assert path.name in EXPLAINED, f"{path.name}: {mine!r:.200} != {their!r:.200}"
        seen.add(path.name)
        for reading, wanted in zip((mine, their), EXPLAINED[path.name], strict=True):
            if wanted:
                assert isinstance(reading, str)
                assert wanted in reading
            else:
                assert isinstance(reading, list)
    assert seen == set(EXPLAINED)
