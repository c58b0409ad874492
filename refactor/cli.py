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
from refactor.commands.options import ERROR
from refactor.registry import entries


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
    "explain": "explaining",
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
