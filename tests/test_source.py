"""Bytes and text without loss; edits in their order; what counts as a clash."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refactor.source import MAX_BYTES, Edit, Overlap, Span, Unreadable, apply, decode, encode


def readable(data: bytes) -> bool:
    """Whether bytes are taken at all."""
    return b"\0" not in data and not data.startswith((b"\xff\xfe", b"\xfe\xff"))


@settings(deadline=None)
@given(st.binary().filter(readable))
def test_any_bytes_come_back(data: bytes) -> None:
    assert encode(decode(data)) == data


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_bytes_are_either_refused_or_come_back(data: bytes) -> None:
    if readable(data):
        assert encode(decode(data)) == data
    else:
        with pytest.raises(Unreadable):
            decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"FROM a",
        b"FROM a\r\nRUN b\r\n",
        b"FROM a\nRUN b\r\nRUN c\rRUN d",
        b"\xef\xbb\xbfFROM a\n",
        b"# caf\xe9\nFROM a\n",
        b"FROM a\nRUN \xff\xfe\n",
        b"FROM a\nRUN \xed\xa0\x80 \xed\xb3\xbf\n",
        "FROM a\nRUN \u2028\u0085\x1c\x0b\x0c é 👍\n".encode(),
        b"\xf4\x90\x80\x80 \xc0\x80 \xfe",
    ],
    ids=repr,
)
def test_odd_bytes_come_back(data: bytes) -> None:
    assert encode(decode(data)) == data


def test_a_mark_and_line_ends_are_part_of_the_text() -> None:
    assert decode(b"\xef\xbb\xbfa\r\nb") == "\ufeffa\r\nb"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("FROM a\n".encode("utf-16"), "UTF-16"),
        (b"\xfe\xff" + "FROM a\n".encode("utf-16-be"), "UTF-16"),
        (b"FROM a\0\n", "NUL"),
        ("FROM a\n".encode("utf-16-le"), "NUL"),
        (b"#" * (MAX_BYTES + 1), "larger than"),
    ],
    ids=["utf-16", "utf-16-be", "nul", "utf-16 without a mark", "large"],
)
def test_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        decode(data)


def test_the_largest_that_is_taken() -> None:
    assert len(decode(b"#" * MAX_BYTES)) == MAX_BYTES


def edits(*found: tuple[int, int, str]) -> list[Edit]:
    """Return edits from triples."""
    return [Edit(Span(start, end), text) for start, end, text in found]


@pytest.mark.parametrize(
    ("made", "after"),
    [
        ([], "abcdef"),
        ([(0, 0, "X")], "Xabcdef"),
        ([(6, 6, "X")], "abcdefX"),
        ([(1, 3, "")], "adef"),
        ([(0, 6, "")], ""),
        ([(4, 5, "E"), (0, 1, "A")], "AbcdEf"),
        ([(2, 2, "1"), (2, 2, "2"), (2, 2, "3")], "ab123cdef"),
        ([(2, 2, "3"), (2, 2, "1"), (2, 2, "2")], "ab312cdef"),
        ([(2, 4, "X"), (2, 2, "1")], "ab1Xef"),
        ([(2, 2, "1"), (2, 4, "X")], "ab1Xef"),
        ([(4, 4, "2"), (2, 4, "X")], "abX2ef"),
        ([(2, 4, "X"), (4, 6, "Y")], "abXY"),
    ],
)
def test_apply(made: list[tuple[int, int, str]], after: str) -> None:
    assert apply("abcdef", edits(*made)) == after


@pytest.mark.parametrize(
    "made",
    [
        [(0, 2, ""), (1, 3, "")],
        [(0, 4, ""), (1, 2, "")],
        [(1, 3, ""), (1, 3, "")],
        [(1, 3, ""), (1, 2, "")],
        [(0, 4, ""), (2, 2, "X")],
    ],
)
def test_overlapping_edits_are_an_error(made: list[tuple[int, int, str]]) -> None:
    with pytest.raises(Overlap, match="offset"):
        apply("abcdef", edits(*made))


@pytest.mark.parametrize(
    ("one", "other", "meets"),
    [
        ((0, 2), (2, 4), False),
        ((0, 3), (2, 4), True),
        ((0, 9), (2, 4), True),
        ((2, 4), (2, 4), True),
        ((2, 2), (2, 4), False),
        ((4, 4), (2, 4), False),
        ((3, 3), (2, 4), True),
        ((2, 2), (2, 2), True),
        ((2, 2), (3, 3), False),
    ],
)
def test_meets(one: tuple[int, int], other: tuple[int, int], meets: bool) -> None:
    assert Span(*one).meets(Span(*other)) is meets
    assert Span(*other).meets(Span(*one)) is meets


places = st.lists(st.integers(0, 8), min_size=2, max_size=2).map(lambda p: Span(*sorted(p)))


@settings(deadline=None)
@given(places, places)
def test_what_does_not_meet_can_be_applied_in_any_order(one: Span, other: Span) -> None:
    first, second = Edit(one, "X"), Edit(other, "YY")
    if one.meets(other):
        return
    text = apply("abcdefgh", [first, second])
    assert text == apply("abcdefgh", [second, first])
    assert len(text) == 8 + 3 - (one.end - one.start) - (other.end - other.start)


@settings(deadline=None)
@given(places, places)
def test_replacements_that_meet_overlap(one: Span, other: Span) -> None:
    if one.meets(other) and one != other:
        with pytest.raises(Overlap):
            apply("abcdefgh", [Edit(one, "X"), Edit(other, "YY")])
