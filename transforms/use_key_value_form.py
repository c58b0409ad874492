"""Write ENV and LABEL as `KEY=value` instead of `KEY value`.

The old form takes the rest of the line as one value; it is deprecated (BuildKit:
LegacyKeyValueFormat) and easily misread. The value stays exactly the same: what has no quotes
and no escapes is put into double quotes if it has blanks; where there are quotes or escapes, the
blanks outside them are escaped instead.
"""

from collections.abc import Iterator

from refactor import Change, Example, Instruction, Phase, Refusal, Snapshot, edits, transform, words


@transform(
    phase=Phase.REPAIR,
    triggers=("env", "label"),
    answers=["LegacyKeyValueFormat"],
    stability="stable",
    examples=[
        Example("FROM scratch\nENV A=1 B=2\nLABEL a=b\n"),
        Example("FROM scratch\nENV A = 1\n", refuses="E101", note="probably a slip: A is `= 1`"),
        Example("# escape=`\nFROM scratch\nENV A b c\n", refuses="E102"),
        Example("FROM scratch\nENV A \\\n # why\n b\n", refuses="E103"),
        Example(
            'FROM scratch\nLABEL maintainer me\\"\n',
            refuses="E104",
            note="hadolint cannot read a quote of this kind behind `=`",
        ),
        Example("FROM scratch\nENV ONE TWO= THREE=x\n", 'FROM scratch\nENV ONE="TWO= THREE=x"\n'),
        Example("FROM scratch\nENV A 1\nLABEL b 2\n", "FROM scratch\nENV A=1\nLABEL b=2\n"),
        Example("FROM scratch\nENV A b  $C\n", 'FROM scratch\nENV A="b  $C"\n'),
        Example(
            'FROM scratch\nLABEL maintainer "Jane <j@x>"\n',
            'FROM scratch\nLABEL maintainer="Jane <j@x>"\n',
            note="the quotes were never part of the value",
        ),
        Example(
            'FROM scratch\nENV A it is "so so" \\$B\n',
            'FROM scratch\nENV A=it\\ is\\ "so so"\\ \\$B\n',
        ),
        Example(
            "FROM scratch\nENV PLATFORMS \\\n  linux/386 linux/arm \\\n  linux/ppc\n",
            'FROM scratch\nENV PLATFORMS="linux/386 linux/arm \\\n  linux/ppc"\n',
        ),
    ],
)
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Convert each ENV and LABEL of the old form whose value is certain."""
    escape = snapshot.dockerfile.escape
    for ins in snapshot.dockerfile.instructions:
        if ins.keyword not in ("ENV", "LABEL") or not words.is_legacy(ins, escape):
            continue
        key, gap, value = words.cut(ins.args)
        start = ins.args_start + len(key)
        place = ins.logical.span(start, start + len(gap))
        new = _value(value, escape)
        at = ins.span.start
        if value.startswith("="):
            yield Refusal("E101", f"the value of {key} begins with =", "write it as meant", at)
        elif escape != "\\":
            yield Refusal("E102", "another escape character", "write KEY=value by hand", at)
        elif any(place.start <= c.start < place.end for c in ins.comments):
            yield Refusal("E103", "a comment before the value", "move the comment", at)
        elif not _same(ins, key, value, new, escape):
            yield Refusal("E104", "quotes or escapes of unclear meaning", "write KEY=value", at)
        else:
            yield _change(ins, key, start, gap, new)


def _value(value: str, escape: str) -> str:
    """Return how a value is written behind `=`; empty if other readers would not know it."""
    if not any(c in value for c in "\"'" + escape):
        return f'"{value}"' if any(c in value for c in " \t") else value
    out: list[str] = []
    quote = ""
    escaped = False
    for char in value:
        if escaped:
            if char in "\"'" and not quote:
                return ""  # hadolint could not read the file any more
            escaped = False
        elif char == escape and quote != "'":
            escaped = True
        elif char in "\"'" and quote in ("", char):
            quote = "" if quote else char
        elif char in " \t" and not quote:
            out.append(escape)
        out.append(char)
    return "".join(out)


def _same(ins: Instruction, key: str, old: str, new: str, escape: str) -> bool:
    """Whether the new text is one pair whose value is the old one."""
    if words.parse_words(f"{key}={new}", escape) != [f"{key}={new}"]:
        return False
    return words.expand(new, {}, escape) == words.expand(old, {}, escape)


def _change(ins: Instruction, key: str, start: int, gap: str, new: str) -> Change:
    reason = f"`{key}=` instead of the deprecated form without ="
    if new[:1] == '"' and new[1:-1] == ins.args[len(key) + len(gap) :]:
        first = edits.replace_logical(ins, start, start + len(gap), '="')
        return Change(reason, (first, edits.insert_logical(ins, ins.args_end, '"')))
    changes = [edits.replace_logical(ins, start, start + len(gap), "=")]
    value_at = start + len(gap)
    old = ins.args[len(key) + len(gap) :]
    offset = 0
    for char in old:  # the new value is the old one with escapes put in
        if new[offset] != char:
            changes.append(edits.insert_logical(ins, value_at, new[offset], before=True))
            offset += 1
        offset += 1
        value_at += 1
    return Change(reason, tuple(changes))
