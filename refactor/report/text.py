"""Results as text for a terminal or a log; what comes from a repository is never replayed raw."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from refactor.engine import WARNING, Changed, Failed, Refused, Remark, Result, Unchanged

# With what reorders, hides or breaks lines, and halves of surrogate pairs, which cannot be written.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
DECIDED = {
    "left": "not made",
    "undecided": "not decided, so not made",
    "stale": "not made, for it is no longer what was accepted",
    "unverified": "written by hand, and not made, as it does more than the change may",
}
OPEN = frozenset({"undecided", "stale", "unmet", "unverified"})
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_COLOURS = {"+": "32", "-": "31", "@": "36"}
_RESET = "\x1b[0m"


def harmless(text: str) -> str:
    """Return a text whose control characters are spelled out, tabs and newlines apart."""
    return _CONTROL.sub(lambda m: f"\\x{ord(m[0]) & 0xFF:02x}" if ord(m[0]) < 256 or
                        0xDC80 <= ord(m[0]) <= 0xDCFF else f"\\u{ord(m[0]):04x}", text)  # fmt: skip


def coloured(patch: str, colour: bool) -> Iterator[str]:
    """Yield the lines of a patch for a terminal."""
    for row in patch.split("\n")[:-1]:
        safe = harmless(row)
        code = _COLOURS.get(row[:1])
        if row.startswith(("--- ", "+++ ")):
            code = "1"
        yield f"\x1b[{code}m{safe}{_RESET}\n" if colour and code else safe + "\n"


def numbered(patch: Iterable[str], colour: bool, width: int) -> Iterator[str]:
    """Yield the lines of a patch with the numbers that they have before and after.

    Those that are too long go on in lines of their own, beside the numbers.
    """
    old = new = 0
    for row in patch:
        safe = harmless(row.rstrip("\n"))
        code = _COLOURS.get(row[:1], "")
        if match := _HUNK.match(row):
            old, new = int(match[1]), int(match[2])
            body = safe
        elif row.startswith(("--- ", "+++ ", "\\")):
            body, code = safe, "1" if row[0] != "\\" else ""
        else:
            left = "" if row[0] == "+" else str(old)
            right = "" if row[0] == "-" else str(new)
            old, new = old + (row[0] != "+"), new + (row[0] != "-")
            room = max(20, width - 13)
            parts = [safe[at : at + room] for at in range(1, len(safe), room)] or [""]
            body = f"\n{'':9} ".join([f"{left:>4} {right:>4} {row[0]}{parts[0]}", *(
                f"\u21aa {part}" for part in parts[1:]
            )])  # fmt: skip
        yield f"\x1b[{code}m{body}{_RESET}\n" if colour and code else body + "\n"


def remarks(result: Result, verbose: bool) -> Iterator[str]:
    """Yield the lines on each change and warning, and with `verbose` on refusals and notices."""
    for remark in result.remarks:
        asked = remark.kind in ("refusal", "notice", "left") and remark.level != WARNING
        if verbose or not asked:
            yield from _remark(result.path, remark)
    if isinstance(result, Refused | Failed):
        place = f":{result.line}" if isinstance(result, Refused) and result.line else ""
        kind = "refused" if isinstance(result, Refused) else "error"
        yield line(f"{result.path}{place}: {kind}: {result.reason}")


def flat(text: str) -> str:
    """Return a text on one line, control characters and newlines spelled out."""
    return harmless(text).replace("\n", "\\n")


def line(text: str) -> str:
    """Return one line: what a repository wrote does not begin another one of the report."""
    return flat(text) + "\n"


def _remark(path: str, remark: Remark) -> Iterator[str]:
    place = f"{path}:{remark.line}: {remark.transform}"
    if remark.kind == "change":
        yield line(f"{place} ({remark.level}): {remark.reason}")
        yield from (line(f"    assumes: {sentence}") for sentence in remark.assumes)
    elif remark.kind in DECIDED:
        level = f" ({remark.level})" if remark.level else ""
        yield line(f"{place}{level}: {DECIDED[remark.kind]}: {remark.reason}")
    elif remark.kind == "unmet":
        why = "accepted, and not made: it is above the level, or rests on what is not accepted"
        yield line(f"{path}: {remark.transform}: {why}: {remark.reason}")
    elif remark.kind == "dropped":
        why = f"dropped, as it does not verify ({remark.reason}); please report it"
        yield line(f"{path}: {remark.transform}: {why}")
    else:
        unlock = f"; unlock: {remark.unlock}" if remark.unlock else ""
        kind = remark.level or f"{remark.kind} {remark.code}"
        yield line(f"{place}: {kind}: {remark.reason}{unlock}")


class Summary:
    """Counts results; its text is the last line of a run."""

    def __init__(self, passed_over: Counter[str], would: bool, why: str = "") -> None:
        self.kinds: Counter[str] = Counter()
        self.pending: Counter[str] = Counter()
        self.refusals = 0
        self.undecided = 0
        self.changes = 0
        self.passed_over = passed_over
        self.would = would
        self.why = why

    def add(self, result: Result) -> None:
        """Count one result."""
        self.kinds[type(result).__name__] += 1
        self.refusals += sum(r.kind == "refusal" for r in result.remarks)
        self.undecided += sum(r.kind in OPEN for r in result.remarks)
        if isinstance(result, Changed):
            self.changes += sum(r.kind == "change" for r in result.remarks)
        if isinstance(result, Changed | Unchanged):
            self.pending.update(result.pending)

    def __str__(self) -> str:
        changed = self.kinds["Changed"]
        verb = "would be changed" if self.would else "changed"
        parts = [f"{_count(changed, 'file')} {verb} ({_count(self.changes, 'change')})"]
        parts.append(f"{self.kinds['Unchanged']} unchanged")
        if self.kinds["Refused"]:
            parts.append(f"{self.kinds['Refused']} refused")
        if self.kinds["Failed"]:
            parts.append(f"{self.kinds['Failed']} failed")
        parts += [f"{n} {why} passed over" for why, n in sorted(self.passed_over.items()) if n]
        lines = ", ".join(parts)
        if self.undecided:
            lines += f"; {_count(self.undecided, 'change')} not decided or not made as decided"
        if self.refusals:
            why = f" ({self.why})" if self.why else ""
            lines += f"; {_count(self.refusals, 'place')} left alone{why}"
        for level in ("suggested", "risky"):
            if self.pending[level]:
                lines += f"; {self.pending[level]} more at --level {level}"
        return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
