"""A run as SARIF 2.1.0: a result for each change, with the fix that makes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice

from refactor.engine import WARNING, Changed, Failed, Refused, Remark, Result
from refactor.model import Safety, Transform
from refactor.registry import entries
from refactor.report import remarks
from refactor.report.about import NAME, About
from refactor.report.json_text import written
from refactor.report.proof_words import cut
from refactor.report.sarif_fixes import artifact, fix
from refactor.source import decode

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
# GitHub's code scanning refuses a run with more results, and cuts descriptions of rules.
MAX_RESULTS, _DESCRIPTION, _TAGS = 25_000, 1024, 10
_MESSAGE = 2000
# Nothing is an error: the image builds as it is. A safe change is a warning, as there is no
# reason to leave it; one that somebody has to think about is a note, and so is advice.
_LEVELS = {"safe": "warning", WARNING: "warning"}
_NOTE = "note"
_LINK = re.compile(r"\](?=\()")

_Object = dict[str, object]


def document(results: Sequence[Result], about: About) -> str:
    """Return a run as a SARIF log; its places are those in the files as they were read."""
    kept = (remark for result in results for remark in _kept(result))
    used = sorted({remark.transform for remark in kept})
    index = {name: number for number, name in enumerate(used)}
    found = (_result(r, remark, index) for r in results for remark in _kept(r))
    listed = list(islice(found, MAX_RESULTS))
    notifications = [item for result in results for item in _notifications(result)]
    if left := sum(1 for _ in found):
        notifications.append(_notification("warning", f"{left} more results are left out", []))
    run: _Object = {
        "tool": {"driver": {"name": NAME, "version": about.version, "rules": _rules(used)}},
        "invocations": [{
            "executionSuccessful": not any(isinstance(r, Failed) for r in results),
            "toolExecutionNotifications": notifications,
        }],
        "originalUriBaseIds": {
            "%SRCROOT%": {"description": {"text": "The folder that the run was started in."}}
        },
        "columnKind": "unicodeCodePoints",
        "defaultEncoding": "utf-8",
        "results": listed,
        "properties": {"level": about.level, "written": about.written},
    }  # fmt: skip
    return written({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _kept(result: Result) -> Iterator[Remark]:
    return (remark for remark in result.remarks if remark.kind in ("change", "notice"))


def _result(result: Result, remark: Remark, index: Mapping[str, int]) -> _Object:
    found: _Object = {
        "ruleId": remark.transform,
        "ruleIndex": index[remark.transform],
        "level": _LEVELS.get(remark.level, _NOTE),
        "message": _message(remarks.sentence(remark)),
        "locations": [_location(result.path, *remarks.lines(remark))],
    }
    if remark.kind == "notice":
        found["properties"] = {"code": remark.code}
        return found
    properties: _Object = {"level": remark.level, "assumes": remark.assumes}
    if detail := remark.detail:
        # Not the `primaryLocationLineHash` that GitHub goes by: its upload action makes that of
        # the line's text, and warns of each one that is another.
        found["partialFingerprints"] = {"site/v1": detail.site}
        properties["key"] = detail.key
        properties["diff"] = detail.diff
        properties["claims"] = detail.claims
        properties["evidence"] = detail.evidence
        if made := fix(detail.fix, partial(_before, result)):
            found["fixes"] = [{"description": _message(remark.reason), **made}]
    found["properties"] = properties
    return found


def _before(result: Result, path: str) -> str | None:
    """Return the text that a file of the repository had, by its path in reports."""
    if not isinstance(result, Changed):
        return None
    if path == result.path:
        return decode(result.before)
    # a result has other files by their paths in the repository
    found = [other for other in result.others if other.name == path]
    return decode(found[0].before or b"") if len(found) == 1 else None


def _message(text: str) -> _Object:
    """Return a message that holds neither a placeholder nor a link."""
    plain = _LINK.sub("] ", cut(text, _MESSAGE))
    return {"text": plain.replace("{", "{{").replace("}", "}}")}


def _location(path: str, first: int, last: int) -> _Object:
    place: _Object = {"artifactLocation": artifact(path)}
    if first:
        place["region"] = {"startLine": first, "startColumn": 1, "endLine": max(first, last)}
    return {"physicalLocation": place}


def _notifications(result: Result) -> Iterator[_Object]:
    if isinstance(result, Failed):
        yield _notification("error", result.reason, [_location(result.path, 0, 0)])
    if isinstance(result, Refused):
        place = _location(result.path, result.line, result.line)
        yield _notification("warning", f"refused: {result.reason}", [place])
    for remark in remarks.of(result, "dropped"):
        text = f"{remark.transform}: {remarks.sentence(remark)}"
        yield _notification("warning", text, [_location(result.path, 0, 0)])


def _notification(level: str, text: str, locations: list[_Object]) -> _Object:
    return {"level": level, "message": _message(text), "locations": locations}


def _rules(ids: Iterable[str]) -> list[_Object]:
    known = {entry.id: entry for entry in entries()}
    return [_rule(known[id].transform) if id in known else {"id": id} for id in ids]


def _rule(transform: Transform) -> _Object:
    doc = transform.doc.strip() or transform.id  # GitHub refuses a rule without help
    safe = transform.highest is Safety.SAFE
    tags = ["dockerfile", transform.phase.name.lower(), *sorted(transform.answers)]
    return {
        "id": transform.id,
        "shortDescription": {"text": doc.partition("\n")[0][:_DESCRIPTION]},
        "fullDescription": {"text": " ".join(doc.split())[:_DESCRIPTION]},
        "help": {"text": doc, "markdown": doc},
        "defaultConfiguration": {"level": _LEVELS["safe"] if safe else _NOTE},
        "properties": {
            "tags": tags[:_TAGS],
            "level": transform.highest.name.lower(),
            "problem.severity": "recommendation",
        },
    }
