"""The command line: Typer, exit codes, and nothing else."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from refactor.batch import Wishes, many, others
from refactor.commands import options
from refactor.commands.options import ERROR, fail
from refactor.config import ConfigError
from refactor.discover import Found, discover
from refactor.engine import Changed, Failed, Refused, Result, run
from refactor.registry import Unusable, entries
from refactor.registry import select as choose
from refactor.report import text
from refactor.source import encode
from refactor.write import Unwritable, write

DONE, PENDING, REFUSED = 0, 1, 3


class _Commands(TyperGroup):
    """The commands; those with a module of their own are loaded when they are asked for."""

    def list_commands(self, context: Any) -> list[str]:
        """Return the names."""
        return [*super().list_commands(context), *_LATER]

    def get_command(self, context: Any, name: str) -> Any:
        """Return a command by its name."""
        if name not in _LATER:
            return super().get_command(context, name)
        from importlib import import_module

        group = typer.main.get_command(import_module(f"refactor.commands.{_LATER[name]}").app)
        return group.commands[name]  # type: ignore[attr-defined]


_LATER = {"prove": "proofs", "compare": "proofs", "server": "server"}

app = typer.Typer(
    cls=_Commands,
    help="Refactor existing Dockerfiles. Every change is checked against a model of what the "
    "Dockerfile builds; what cannot be proved is left alone, with a reason.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_FIX_HELP = """Refactor Dockerfiles in place, and print the difference.

PATHS are files, folders (searched for Dockerfiles), or - for standard input.

Exit code: 0 nothing left to do, 1 changes pending (--check), 2 an error of the tool or its use,
3 input that is refused (only with --strict).

\b
  dfr fix                      the current folder, safe changes only
  dfr fix --check .            write nothing; exit with 1 if anything would change
  dfr fix --diff . | git apply the same changes as a patch
  dfr fix --level suggested .  also what rests on an assumption, which is named
"""


@app.command(help=_FIX_HELP)
def fix(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders; - reads standard input.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if anything would change.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Write nothing; print a patch for `git apply`.")
    ] = False,
    patch: Annotated[
        Path | None, typer.Option("--patch", help="Write nothing but the patch, to this file.")
    ] = None,
    level_name: options.Level = None,
    select: options.Select = "",
    ignore: options.Ignore = "",
    context: options.ContextFolder = None,
    config: options.ConfigFile = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", help="Processes; 0 takes one a core.", min=0)
    ] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what went wrong.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also say what was left alone, and why.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 3 if a file is refused.")
    ] = False,
    prove: Annotated[
        bool,
        typer.Option("--prove", help="Build before and after; keep what breaks nothing."),
    ] = False,
) -> None:
    """Refactor Dockerfiles."""
    try:
        wishes = options.wishes(paths, level_name, select, ignore, context, config)
        if paths and Path("-") in paths:
            if len(paths) > 1 or patch or prove:
                fail("- stands alone, without other paths, --patch and --prove")
            raise typer.Exit(_standard_input(wishes, check, diff, quiet, strict))
        session = _Session(check, diff, patch, quiet, verbose, strict)
        found = discover(paths or [Path()])
        if prove:
            from refactor.commands import proofs

            with proofs.kept(found.files, wishes, quiet, verbose) as results:
                code = session.run(found, wishes, results)
        else:
            results = many(found.files, wishes, jobs or os.cpu_count() or 1)
            code = session.run(found, wishes, results)
    except (ConfigError, Unusable) as error:
        fail(str(error))
    raise typer.Exit(code)


def _standard_input(wishes: Wishes, check: bool, diff: bool, quiet: bool, strict: bool) -> int:
    from refactor import config as configuration

    found = configuration.read(wishes.config) if wishes.config else configuration.load(Path("-"))
    data = sys.stdin.buffer.read()
    result = run("Dockerfile", data, wishes.apply(found))
    for line in text.remarks(result, False):
        if not quiet or isinstance(result, Failed):
            typer.echo(line, err=True, nl=False)
    after = result.after if isinstance(result, Changed) else data
    if diff and isinstance(result, Changed):
        _put(encode(result.patch))
    elif not diff and not check:
        _put(after)
    if isinstance(result, Failed):
        return ERROR
    if strict and isinstance(result, Refused):
        return REFUSED
    return PENDING if check and isinstance(result, Changed) else DONE


def _put(data: bytes) -> None:
    """Write bytes to standard output: all of them, also where Python does not buffer it."""
    rest = memoryview(data)
    while rest:
        rest = rest[sys.stdout.buffer.write(rest) :]
    sys.stdout.buffer.flush()


class _Session:
    """One run over many files: says, writes and counts."""

    def __init__(
        self, check: bool, diff: bool, patch: Path | None, quiet: bool, verbose: bool, strict: bool
    ) -> None:
        self.check = check
        self.exact = diff or patch is not None
        self.patch = patch
        self.quiet = quiet
        self.verbose = verbose
        self.strict = strict
        self.errors = 0
        self.roots: tuple[Path, ...] = ()
        self.colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def run(self, found: Found, wishes: Wishes, results: Iterator[Result]) -> int:
        """Take the files' results in turn and return the exit code."""
        self.roots = wishes.roots
        summary = text.Summary(found.passed_over, self.check or self.exact)
        for path in found.missing:
            self.talk(text.line(f"{path}: no such file or folder"), always=True)
            self.errors += 1
        patches: list[str] = []
        results = self.progress(results, len(found.files))
        for path, result in zip(found.files, results, strict=True):
            summary.add(result)
            self.say(result)
            if isinstance(result, Changed):
                patches.append(result.patch)
                self.show(path, result)
            self.errors += isinstance(result, Failed)
        if self.patch is not None:
            try:
                self.patch.write_bytes(encode("".join(patches)))
            except OSError as error:
                fail(f"{self.patch}: not written: {error.strerror}")
        self.talk(f"{summary}\n")
        return self.exit_code(summary)

    def exit_code(self, summary: text.Summary) -> int:
        """Return 2 over 3 over 1 over 0."""
        if self.errors:
            return ERROR
        if self.strict and summary.kinds["Refused"]:
            return REFUSED
        return PENDING if self.check and summary.kinds["Changed"] else DONE

    def show(self, path: Path, result: Changed) -> None:
        """Print a difference, and write the file where that is asked for."""
        if self.exact:
            if self.patch is None:
                self.exact_patch(result.patch)
            return
        if not self.check:
            try:
                write(path, result.before, result.after, others(path, result, self.roots))
            except Unwritable as error:
                self.talk(text.line(f"{result.path}: not written: {error}"), always=True)
                self.errors += 1
                return
        if not self.quiet:
            sys.stdout.writelines(text.coloured(result.patch, self.colour))

    def exact_patch(self, patch: str) -> None:
        """Print a patch byte for byte; on a terminal, harmless and in colour."""
        if sys.stdout.isatty():
            sys.stdout.writelines(text.coloured(patch, self.colour))
        else:
            sys.stdout.flush()
            _put(encode(patch))

    def say(self, result: Result) -> None:
        """Say what was done and what was not, on standard error."""
        important = isinstance(result, Failed)
        for line in text.remarks(result, self.verbose):
            self.talk(line, always=important)

    def talk(self, message: str, always: bool = False) -> None:
        """Write to standard error."""
        if always or not self.quiet:
            sys.stdout.flush()
            sys.stderr.write(text.harmless(message))

    def progress(self, results: Iterator[Result], total: int) -> Iterator[Result]:
        """Show a bar while there is much to do and somebody looks on."""
        if self.quiet or total < 50 or not sys.stderr.isatty() or sys.stdout.isatty():
            yield from results
            return
        from rich.console import Console
        from rich.progress import track

        yield from track(
            results, "Refactoring", total=total, console=Console(stderr=True), transient=True
        )


@app.command("list")
def list_transforms() -> None:
    """List the transforms: id, phase, whether on by default, title.

    Example: dfr list
    """
    found = [entry.transform for entry in entries()]
    width = max(len(transform.id) for transform in found)
    for transform in sorted(found, key=lambda t: (t.phase, t.id)):
        state = "" if transform.default else " (off by default)"
        typer.echo(f"{transform.id:<{width}}  {transform.title}{state}")


@app.command()
def explain(
    id: Annotated[str, typer.Argument(help="A transform, as `dfr list` names it.")],
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
