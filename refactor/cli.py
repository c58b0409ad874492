"""The command line: Typer, exit codes, and nothing else."""

from __future__ import annotations

import gc
import io
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from refactor.commands import options
from refactor.commands.options import ERROR, fail
from refactor.registry import Unusable, entries
from refactor.registry import select as choose


class _Commands(TyperGroup):
    """The commands; those with a module of their own are loaded when they are asked for."""

    def list_commands(self, context: Any) -> list[str]:
        """Return the names."""
        return [*_LATER, *super().list_commands(context)]

    def get_command(self, context: Any, name: str) -> Any:
        """Return a command by its name."""
        if name not in _LATER:
            return super().get_command(context, name)
        from importlib import import_module

        group = typer.main.get_group(import_module(f"refactor.commands.{_LATER[name]}").app)
        return group.commands[name]


_LATER = {
    "fix": "fixing",
    "apply": "applying",
    "init": "starting",
    "prove": "proofs",
    "compare": "proofs",
    "fleet": "fleet",
    "server": "server",
}

app = typer.Typer(
    cls=_Commands,
    help="Refactor existing Dockerfiles. Every change is checked against a model of what the "
    "Dockerfile builds; what cannot be proved is left alone, with a reason.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", is_eager=True)
    ] = False,
) -> None:
    """Take the options of no command."""
    if version:
        typer.echo(f"dockerfile-refactor {options.version()}")
        raise typer.Exit


@app.command("list")
def list_transforms() -> None:
    """List the transforms in the order in which they run: id, whether off by default, title.

    Example: dfr list
    """
    found = [entry.transform for entry in entries()]
    width = max(len(transform.id) for transform in found)
    for transform in sorted(found, key=lambda t: (t.phase, t.id)):
        state = "" if transform.default else " (off by default)"
        typer.echo(f"{transform.id:<{width}}  {transform.title}{state}")


@app.command()
def explain(
    id: Annotated[
        str,
        typer.Argument(
            help="A transform, as `dfr list` names it.", autocompletion=options.transforms
        ),
    ],
) -> None:
    """Explain a transform: what it does, why, and when it does not.

    Example: dfr explain clean-apt-lists
    """
    try:
        transform = choose((id,), ())[0].transform
    except Unusable as error:
        fail(str(error))
    typer.echo(f"{transform.id} ({transform.stability}, phase {transform.phase.name.lower()})\n")
    typer.echo(transform.doc.strip())
    if transform.answers:
        typer.echo(f"\nAnswers: {', '.join(sorted(transform.answers))}")
    for example in transform.examples:
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


def _indented(block: str) -> str:
    return "\n".join("    " + line for line in block.rstrip("\n").split("\n"))


def main() -> None:
    """Run the command line; a closed pipe ends it quietly."""
    # Trees are many small tuples without cycles, and the default looks for those time and again.
    gc.set_threshold(20_000, 50, 1000)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a log need not be able to hold every character
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app(windows_expand_args=False)
    except OSError as error:  # standard output cannot take more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.stderr.write(f"dfr: {error}\n")
        sys.exit(ERROR)
    except KeyboardInterrupt:
        sys.stderr.write("\ndfr: interrupted; files are either as they were or done\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
