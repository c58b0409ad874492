"""`dfr explain`: a transform, a rule of another tool, a practice, or the code of a refusal."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from refactor.commands import options
from refactor.commands.options import fail
from refactor.knowledge import table
from refactor.model import Example, Transform
from refactor.registry import Unusable, entries, select

app = typer.Typer(add_completion=False)
_CODE = re.compile(r"[A-Z]\d{3}")


@app.command()
def explain(
    id: Annotated[
        str,
        typer.Argument(
            help="A transform, as `dfr list` names it; a rule of hadolint or a check of BuildKit; "
            "the code of a refusal; or a practice of a guide, such as `CIS 4.1` or `OWASP 2`.",
            autocompletion=options.transforms,
        ),
    ],
) -> None:
    """Explain a transform: what it does, why, and when it does not.

    Of a rule of hadolint, a check of BuildKit or a practice of a guide it says what answers it, of
    the code of a refusal who refuses so, and of what.

    Example: dfr explain clean-apt-lists (or DL3008, or E102, or "CIS 4.1")
    """
    transforms = [entry.transform for entry in entries()]
    rules = [row for row in table("rules") if row["rule"].lower() == id.lower()]
    practices = [row for row in table("practices") if _name_of(row) == " ".join(id.lower().split())]
    if rules:
        _rule(rules[0], transforms)
    elif practices:
        _practice(practices[0], transforms)
    elif _CODE.fullmatch(id.upper()):
        _code(id.upper(), transforms)
    else:
        try:
            _transform(select((id,), ())[0].transform)
        except Unusable as error:
            fail(str(error))


def _transform(transform: Transform) -> None:
    typer.echo(f"{transform.id} ({transform.stability}, phase {transform.phase.name.lower()})\n")
    typer.echo(transform.doc.strip())
    if transform.answers:
        typer.echo(f"\nAnswers: {', '.join(sorted(transform.answers))}")
    for example in transform.examples:
        _example(example)


def _example(example: Example) -> None:
    note = f"  ({example.note})" if example.note else ""
    if example.notices:
        typer.echo(f"\nSays {example.notices} of:{note}\n{_indented(example.before)}")
    elif example.others:
        typer.echo(f"\nWith:{note}\n{_indented(example.before)}")
        for path, _, data in (other.partition("=") for other in example.others):
            typer.echo(f"\nWrites {path}:\n{_indented(data)}")
    elif example.after is None or example.after == example.before:
        typer.echo(f"\nLeft alone{f', {example.refuses}' if example.refuses else ''}:{note}")
        typer.echo(_indented(example.before))
    else:
        typer.echo(f"\nBefore:{note}\n{_indented(example.before)}\nAfter:")
        typer.echo(_indented(example.after))


def _rule(rule: dict[str, str], transforms: list[Transform]) -> None:
    typer.echo(f"{rule['tool']} {rule['rule']}: {rule['finds']}\n")
    answers = [transform for transform in transforms if rule["rule"] in transform.answers]
    for transform in answers:
        _answer(transform)
    if not answers:
        typer.echo(f"No transform: {rule['reason']}.")


def _name_of(practice: dict[str, str]) -> str:
    return f"{practice['guide']} {practice['practice']}".lower()


def _practice(row: dict[str, str], transforms: list[Transform]) -> None:
    typer.echo(f"{row['guide']} {row['practice']}: {row['asks']}\n")
    known = {transform.id: transform for transform in transforms}
    for name in row["answers"].split(", "):
        if name in known:
            _answer(known[name])
        elif name != "-":
            typer.echo(f"{name}: a command; `{name} --help` explains it")
    if row["note"] != "-":
        typer.echo(f"Note: {row['note']}.")


def _answer(transform: Transform) -> None:
    state = "" if transform.default else " (off by default)"
    typer.echo(f"{transform.id}{state}: {transform.title}")


def _code(code: str, transforms: list[Transform]) -> None:
    """Say what is refused with a code: by the examples, or where there is none by the page."""
    named = False
    for transform in transforms:
        examples = [example for example in transform.examples if example.refuses == code]
        said = re.search(rf"\b{code} ([^;,.]+)", transform.doc)
        if not (examples or said):
            continue
        named = True
        words = f": {' '.join(said[1].split())}" if said else ""
        typer.echo(f"{code} of {transform.id}{words}")
        for example in examples:
            _example(example)
    if not named:
        fail(
            f"no page of a transform names the code {code}; "
            "the remark itself says why, and what would unlock it"
        )


def _indented(block: str) -> str:
    return "\n".join("    " + line for line in block.rstrip("\n").split("\n"))
