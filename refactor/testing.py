"""The laws that every transform keeps: run them over your own with `check(module)`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from types import ModuleType

from refactor.compose import Outcome, Unstable, refactor
from refactor.context import MemoryContext
from refactor.model import Example, Transform
from refactor.snapshot import Snapshot
from refactor.source import encode
from refactor.syntax import parse

TODAY = "2026-11-27"  # of the examples


def check(module: ModuleType | Transform) -> int:
    """Run a transform's examples and the laws on them; return how many there were.

    Raises AssertionError with the example and what was seen instead.
    """
    transform = _transform(module)
    assert transform.title.endswith("."), f"{transform.id}: the first line is no sentence"
    assert transform.examples, f"{transform.id}: no examples"
    changed = [e.after is not None or bool(e.others or e.notices) for e in transform.examples]
    assert not changed[0], f"{transform.id}: the first example shows what is left alone"
    assert any(changed), f"{transform.id}: no example shows a change"
    for example in transform.examples:
        _check(transform, example)
    return len(transform.examples)


def _transform(module: ModuleType | Transform) -> Transform:
    if isinstance(module, Transform):
        return module
    found = [value for value in vars(module).values() if isinstance(value, Transform)]
    assert len(found) == 1, f"{module.__name__}: {len(found)} transforms in one module"
    return found[0]


def _check(transform: Transform, example: Example) -> None:
    outcome = run(transform, example.before, example)
    text = outcome.snapshot.text
    where = f"{transform.id}: {example.before!r}"
    assert not outcome.drops, f"{where}: does not verify: {outcome.drops[0].reason}"
    wanted = example.before if example.after is None else example.after
    assert text == wanted, f"{where}\n became {text!r}\n not    {wanted!r}"
    written = dict(outcome.snapshot.files)
    others = {path: data for path, _, data in (o.partition("=") for o in example.others)}
    assert written == others, f"{where}\n wrote {written!r}\n not   {others!r}"
    if example.refuses:
        codes = sorted({refusal.code for _, refusal in outcome.refusals})
        assert example.refuses in codes, f"{where}: refused with {codes}, not {example.refuses}"
    noticed = sorted({notice.code for _, notice in outcome.notices})
    assert noticed == [example.notices] * bool(example.notices), f"{where}: notices {noticed}"
    again = run(transform, text, example, written)
    assert not again.steps, f"{where}: a second run changes {again.snapshot.text!r}"
    before = outcome.steps[0].before.dockerfile if outcome.steps else outcome.snapshot.dockerfile
    assert before.comments == outcome.snapshot.dockerfile.comments, f"{where}: a comment is lost"
    for line in ("# a\n", "\n"):
        _check_prefixed(transform, example, line, wanted)


def _check_prefixed(transform: Transform, example: Example, line: str, wanted: str) -> None:
    """A comment or blank line on top changes nothing else (parser directives apart)."""
    if example.before.startswith("#"):
        return
    text = run(transform, line + example.before, example).snapshot.text
    assert text == line + wanted, f"{transform.id}: {line!r} on top gives {text!r}"


def run(
    transform: Transform, text: str, example: Example, written: Mapping[str, str] | None = None
) -> Outcome:
    """Run one transform on a text, with an example's level and build context.

    `written` are files of the context that were written meanwhile.
    """
    context = None
    if example.files is not None:
        named = (file.partition("=") for file in example.files)
        files = {name: data.encode("latin-1") for name, _, data in named}
        files |= {name: encode(data) for name, data in (written or {}).items()}
        context = MemoryContext(files)
    snapshot = Snapshot(PurePath("Dockerfile"), text, parse(text), context, today=TODAY)
    try:
        return refactor(snapshot, [transform], example.level)
    except Unstable as error:
        raise AssertionError(f"{transform.id}: {text!r}: {error}") from None
