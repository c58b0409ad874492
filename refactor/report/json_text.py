"""Values as JSON that every reader takes, whatever bytes a repository has."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from refactor.report.text import harmless

# Half a pair is what a byte that is not UTF-8 became; strict readers refuse the whole document.
_HALF = re.compile("[\ud800-\udfff]")


def written(value: object) -> str:
    """Return a value as JSON in ASCII, control characters escaped and halves spelled out."""
    text = json.dumps(_plain(value), indent=2, sort_keys=True, allow_nan=False)
    return text.replace("<", "\\u003c") + "\n"  # so that it can stand in a page


def is_plain(text: str) -> bool:
    """Whether a text comes back from JSON as it is."""
    return not _HALF.search(text)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return _HALF.sub(lambda match: harmless(match[0]), value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
