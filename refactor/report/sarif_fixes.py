"""What a change makes of files, in SARIF's terms: lines and columns, not offsets."""

from __future__ import annotations

from base64 import b64encode
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import quote

from refactor.details import Replacement
from refactor.report.json_text import is_plain
from refactor.source import BOM, encode

_Object = dict[str, object]


def artifact(path: str) -> _Object:
    """Return where a file is: a path below the folder that the run was started in."""
    return {"uri": quote(encode(path)), "uriBaseId": "%SRCROOT%"}


def fix(replacements: Iterable[Replacement], read: Callable[[str], str | None]) -> _Object | None:
    """Return a fix; None if a file's text is not known. `read` gives the text before."""
    files: defaultdict[str, list[Replacement]] = defaultdict(list)
    for replacement in replacements:
        files[replacement.path].append(replacement)
    changes: list[_Object] = []
    for path, found in files.items():
        text = read(path)
        if text is None:
            return None
        made = _replaced(text, _apart(found))
        changes.append({"artifactLocation": artifact(path), "replacements": made})
    return {"artifactChanges": changes} if changes else None


def _apart(replacements: Sequence[Replacement]) -> list[Replacement]:
    """Return replacements of a file by their places, those that touch as one."""
    found: list[Replacement] = []
    for one in sorted(replacements, key=lambda r: (r.start, r.end)):
        if found and one.start <= found[-1].end:
            last = found.pop()
            one = last._replace(end=max(last.end, one.end), text=last.text + one.text)
        found.append(one)
    return found


def _replaced(text: str, replacements: Sequence[Replacement]) -> list[_Object]:
    if not is_plain(text) or not all(is_plain(one.text) for one in replacements):
        # not UTF-8: nobody could say which characters are meant
        return [_bytes(text, one) for one in replacements]
    plain = text.removeprefix(BOM)  # which is no character to SARIF
    shift = len(text) - len(plain)
    starts = [0, *(at + 1 for at, char in enumerate(plain) if char == "\n")]
    found = []
    for one in replacements:
        inserted = one.text if one.start >= shift else one.text.removeprefix(BOM)
        span = max(0, one.start - shift), max(0, one.end - shift)
        found.append(_characters(plain, starts, *span, inserted))
    return found


def _characters(text: str, starts: list[int], start: int, end: int, inserted: str) -> _Object:
    # There is no column between the two characters of a line's end.
    if text[max(0, end - 1) : end + 1] == "\r\n":
        end, inserted = end + 1, inserted + "\n"
    if text[max(0, start - 1) : start + 1] == "\r\n":
        start, inserted = start - 1, "\r" + inserted
    first, last = bisect_right(starts, start), bisect_right(starts, end)
    region = {
        "startLine": first,
        "startColumn": start - starts[first - 1] + 1,
        "endLine": last,
        "endColumn": end - starts[last - 1] + 1,
    }
    return {"deletedRegion": region, "insertedContent": {"text": inserted}}


def _bytes(text: str, one: Replacement) -> _Object:
    start, end = len(encode(text[: one.start])), len(encode(text[: one.end]))
    content = b64encode(encode(one.text)).decode("ascii")
    region = {"byteOffset": start, "byteLength": end - start}
    return {"deletedRegion": region, "insertedContent": {"binary": content}}
