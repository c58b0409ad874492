"""Let Python write what it prints at once.

Where no terminal is, Python collects what a program prints: a log comes late, and what was printed
before a crash is lost. `PYTHONUNBUFFERED=1` writes it at once. It is set where the image starts
Python itself, without `-u`; a program that prints much gets slower. Nothing runs in the build with
it, and no other variable is touched: `PYTHONDONTWRITEBYTECODE`, which often stands beside it, makes
each start compile anew.

It is asked for by name, as it changes how a program runs and not how its image is built.
"""

import re
from collections.abc import Iterator

from refactor import (
    Change,
    Claim,
    Edit,
    Effect,
    Example,
    Instruction,
    Phase,
    Refusal,
    Safety,
    Snapshot,
    Span,
    apt,
    edits,
    transform,
)

_NAME = "PYTHONUNBUFFERED"
_PYTHON = re.compile(r"(?:/[\w./-]+/)?(?:python|pypy)[\d.]*\Z")
_UNBUFFERED = re.compile(r"-[A-Za-z]*u")
_KNOWN = frozenset({"python", "pypy", "debian", "ubuntu", "buildpack-deps", "alpine", "fedora"})


@transform(
    phase=Phase.ENTRY,
    triggers=("python", "pypy"),
    default=False,
    examples=[
        Example('FROM python:3.12\nENV PYTHONUNBUFFERED=0\nCMD ["python", "app.py"]\n'),
        Example('FROM python:3.12\nCMD ["python", "-u", "app.py"]\n'),
        Example('FROM python:3.12\nCMD ["gunicorn", "app"]\n', note="it logs by itself"),
        Example('FROM python:3.12\nCMD ["python"]\n', note="that is a prompt"),
        Example('FROM python:3.12\nENTRYPOINT ["./start.sh"]\nCMD ["python", "app.py"]\n'),
        Example('FROM python:3.12 AS base\nCMD ["python", "app.py"]\nFROM debian\nCMD ["a"]\n'),
        Example('FROM python:3.12\nCMD ["python", "app.py"]\nRUN a\n', refuses="E211",
                note="the RUN would find it, too"),
        Example('FROM python:3.12\nONBUILD RUN a\nCMD ["python", "app.py"]\n', refuses="E212"),
        Example('FROM python:3.12\nCMD ["python", "app.py"]\n', level=Safety.SAFE),
        Example('FROM python:3.12\nRUN a\n# start\nCMD ["python", "app.py"]\n',
                'FROM python:3.12\nRUN a\nENV PYTHONUNBUFFERED=1\n# start\nCMD ["python", "app.py"]\n',
                level=Safety.SUGGESTED),
        Example("FROM python:3.12\nCMD exec python3 -m app\n",
                "FROM python:3.12\nENV PYTHONUNBUFFERED=1\nCMD exec python3 -m app\n"),
        Example('FROM python:3.12\nENTRYPOINT ["/usr/local/bin/python3.12", "a.py"]\nCMD ["-v"]\n',
                "FROM python:3.12\nENV PYTHONUNBUFFERED=1\n"
                'ENTRYPOINT ["/usr/local/bin/python3.12", "a.py"]\nCMD ["-v"]\n'),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at how the image is started."""
    stage = snapshot.graph.stages[-1]
    starts = {i.keyword: i for i in stage.instructions if i.keyword in ("CMD", "ENTRYPOINT")}
    words = _words(starts.get("ENTRYPOINT") or starts.get("CMD"))
    if _NAME in snapshot.text or not words or not _prints(words):
        return
    place = min(starts.values(), key=lambda ins: ins.span.start)
    at = place.span.start
    if any(i.keyword == "RUN" and i.span.start > at for i in stage.instructions):
        yield Refusal("E211", "a RUN stands behind the start", "move the start to the end", at)
    elif apt.is_library(snapshot):
        yield Refusal("E212", "other images may start from this one", "none needed", at)
    else:
        text = snapshot.text[place.keyword_span.start : place.keyword_span.end]
        start = edits.with_comments(snapshot, place).start
        line = f"{'env' if text.islower() else 'ENV'} {_NAME}=1{snapshot.dockerfile.newline(at)}"
        assumes = [f"what reads the output of `{words[0]}` takes it in small pieces"]
        if stage.parent is None and stage.image.name not in _KNOWN:
            assumes.append(f"{stage.start_word} does not set {_NAME}")
        yield Change(
            "what Python prints comes late, or is lost in a crash",
            (Edit(Span(start, start), line),),
            (Claim(Effect.ENV, frozenset({f"stage {stage.label}", f"+ {_NAME}=1"})),),
            Safety.SUGGESTED,
            tuple(assumes),
        )


def _words(start: Instruction | None) -> list[str]:
    """Return the words that a container is started with; none if there is no start."""
    if start is None:
        return []
    words = list(start.json) if start.json is not None else start.args.split()
    return words[1:] if words[:1] == ["exec"] else words


def _prints(words: list[str]) -> bool:
    """Whether it is a program in Python whose output is buffered."""
    options = []
    for word in words[1:]:
        if not word.startswith("-") or word in ("-m", "-c", "-"):
            break
        options.append(word)
    is_prompt = len(words) == len(options) + 1
    buffered = not any(map(_UNBUFFERED.match, options))
    return bool(_PYTHON.match(words[0])) and buffered and not is_prompt
