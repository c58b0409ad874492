"""A run as JUnit's XML: a suite for each file, a test for each change."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from refactor.engine import Failed, Refused, Remark, Result
from refactor.report import remarks
from refactor.report.about import NAME, About
from refactor.report.proof_words import cut
from refactor.report.text import harmless

_WIDTH = 1000
# XML has no way to write these; the others that it has none for are spelled out everywhere.
_ILLEGAL = re.compile("[\ufffe\uffff]")


def document(results: Sequence[Result], about: About) -> str:
    """Return the suites. A change that was made has passed; one that would be made has failed.

    A file that is refused is skipped, and an error where it fails the run.
    """
    root = Element("testsuites", name=NAME)
    total: Counter[str] = Counter()
    for result in results:
        suite, counts = _suite(result, about)
        root.append(suite)
        total.update(counts)
    for name in ("tests", "failures", "errors"):
        root.set(name, str(total[name]))
    indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(root, encoding="unicode")}\n'


def _suite(result: Result, about: About) -> tuple[Element, Counter[str]]:
    path = _attribute(result.path)
    suite = Element("testsuite", name=path, file=path)
    counts: Counter[str] = Counter()
    names: Counter[str] = Counter()
    for remark in remarks.of(result, "change"):
        title = f"{remark.transform}: {remark.reason}"
        names[title] += 1  # not the line: a test that moved would be another one
        number = f" ({names[title]})" if names[title] > 1 else ""
        case = SubElement(suite, "testcase", name=_attribute(title) + number, classname=path)
        counts["failures"] += not about.written
        _change(case, remark, about.written)
    if isinstance(result, Refused):
        case = SubElement(suite, "testcase", name="is a Dockerfile", classname=path)
        at = f"line {result.line}: " if result.line else ""
        name, count = ("error", "errors") if about.strict else ("skipped", "skipped")
        SubElement(case, name, type="refused", message=_attribute(at + result.reason))
        counts[count] += 1
    elif isinstance(result, Failed):
        case = SubElement(suite, "testcase", name="is refactored", classname=path)
        SubElement(case, "error", type="failed", message=_attribute(result.reason))
        counts["errors"] += 1
    elif not len(suite):
        SubElement(suite, "testcase", name="nothing to change", classname=path)
    counts["tests"] = len(suite)
    for name in ("tests", "failures", "errors", "skipped"):
        suite.set(name, str(counts[name]))
    if rest := "".join(_rest(remark) for remark in result.remarks if remark.kind != "change"):
        SubElement(suite, "system-out").text = _text(rest)
    return suite, counts


def _change(case: Element, remark: Remark, made: bool) -> None:
    first, last = remarks.lines(remark)
    lines = f"line {first}" if first >= last else f"lines {first} to {last}"
    diff = f"\n\n{remark.detail.diff}" if remark.detail else "\n"
    told = _text(f"{lines}: {remarks.sentence(remark)}{diff}")
    if made:
        SubElement(case, "system-out").text = told
    else:
        message = _attribute(remarks.sentence(remark))
        SubElement(case, "failure", type=_attribute(remark.level), message=message).text = told


def _rest(remark: Remark) -> str:
    place = f"line {remark.line}: " if remark.line else ""
    about = " ".join(filter(None, (remark.transform, remark.kind, remark.code)))
    return f"{place}{about}: {remarks.sentence(remark)}\n"


def _attribute(text: str) -> str:
    return _ILLEGAL.sub(_spelled, cut(text, _WIDTH))


def _text(text: str) -> str:
    return _ILLEGAL.sub(_spelled, harmless(text))


def _spelled(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
