"""The formats of `dfr fix --format`, but for text; only the one that is asked for is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module

from refactor.engine import Result
from refactor.report.about import About

FORMATS: Mapping[str, str] = {
    "json": "refactor.report.fix_json",
    "sarif": "refactor.report.sarif",
    "github": "refactor.report.github",
    "gitlab": "refactor.report.gitlab",
    "junit": "refactor.report.junit",
    "markdown": "refactor.report.fix_markdown",
    "html": "refactor.report.fix_html",
}


def report(name: str, results: Sequence[Result], about: About) -> str:
    """Return a run's results in a format."""
    document: str = import_module(FORMATS[name]).document(results, about)
    return document
