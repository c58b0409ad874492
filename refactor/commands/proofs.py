"""`dfr prove` and `dfr compare`: images before and after."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from refactor.batch import Wishes, others, task
from refactor.commands import options
from refactor.commands import proof_options as given
from refactor.commands.options import ERROR, fail
from refactor.config import ConfigError
from refactor.discover import discover
from refactor.engine import Result, Task
from refactor.inline import refactored
from refactor.project import is_holder, referenced
from refactor.registry import Unusable
from refactor.report import text
from refactor.source import encode

if TYPE_CHECKING:
    from refactor.proof.asking import Request
    from refactor.proof.engines import Engine
    from refactor.proof.processes import Voice
    from refactor.proof.proving import Plan, Proven
    from refactor.proof.results import Proof

DONE, BROKEN, UNPROVED = 0, 1, 3

PROVE_HELP = """Build Dockerfiles as they are and refactored, and show that the images do the same.

Without --write nothing of the repository is touched, and nothing is ever pushed. Each image is
built without cache and read layer by layer; what two builds of the original differ in does not
count. Both are then started without a network and asked what their HEALTHCHECK and EXPOSE let one
ask. What differs must be declared by a change.

Exit code: 0 the images do the same, or differ as declared, 1 something is broken, 2 an error of the
tool, the engine or its use, 3 something could not be proved (it does not build as it is, or it is
refused).

\b
  dfr prove                           the current folder, at level safe
  dfr prove --level risky app/        with all that is proposed for app/
  dfr prove --http 8000/health .      also ask for a page
  dfr prove --bisect --format markdown --output body.md .
  dfr prove --write --build-arg VERSION=3 .   what `dfr fix --prove` does, with options
"""
COMPARE_HELP = """Compare two saved images: no engine is needed.

An image is a file that `docker save`, `podman save` or `skopeo copy` to an OCI archive wrote, or a
folder in the OCI layout.

Exit code: 0 they hold the same, 1 they differ, 2 an error.

\b
  docker save app:old -o old.tar && docker save app:new -o new.tar
  dfr compare old.tar new.tar
"""


app = typer.Typer(rich_markup_mode=None)


@app.command(help=PROVE_HELP)
def prove(
    paths: given.Paths = None,
    level_name: options.Level = None,
    select: options.Select = "",
    ignore: options.Ignore = "",
    context: options.ContextFolder = None,
    config: options.ConfigFile = None,
    engine: given.Engine = "",
    build_arg: given.BuildArg = None,
    secret: given.Secret = None,
    target: given.Target = "",
    platform: given.Platform = "",
    network: given.Network = "",
    no_syntax: given.NoSyntax = False,
    timeout: given.Timeout = 1800,
    smoke: given.Smoke = None,
    http: given.Http = None,
    smoke_network: given.SmokeNetwork = "none",
    env: given.Env = None,
    wait: given.Wait = 60,
    no_smoke: given.NoSmoke = False,
    rebuild: given.Rebuild = "",
    compressed: given.Compressed = False,
    together: given.Together = False,
    once: given.Once = False,
    bisect: given.Bisect = False,
    write: given.Write = False,
    format: given.Format = "text",
    output: given.Output = None,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Build before and after, and compare."""
    from refactor.proof.asking import Wishes as Asks
    from refactor.proof.engines import Job
    from refactor.proof.proving import Plan

    _check_format(format)
    try:
        wishes = options.wishes(paths, level_name, select, ignore, context, config)
    except (ConfigError, Unusable) as error:
        fail(str(error))
    job = Job(tuple(build_arg or ()), tuple(secret or ()), target, platform, network, timeout)
    asks = Asks(smoke_network, wait, variables=tuple(env or ()))
    plan = Plan(
        job, asks, _requests(http or [], smoke or []), no_smoke, rebuild,
        together, not once, bisect, not no_syntax, compressed,
    )  # fmt: skip
    found = discover(paths or [Path()])
    if found.missing:
        fail(f"{found.missing[0]}: no such file or folder")
    with said(quiet, verbose) as voice:
        proven = _proven(found.files, wishes, engine, plan, voice, write)
        raise typer.Exit(_code(_told(proven, wishes, write, format, output, verbose)))


def _told(
    proven: Iterator[tuple[Path, Proven]], wishes: Wishes, write: bool, format: str,
    output: Path | None, verbose: bool,
) -> list[Proof]:  # fmt: skip
    """Report proofs as they come, and all at the end: also if the engine fails at one of them."""
    proofs: list[Proof] = []
    try:
        for path, one in proven:
            if write:
                _write(path, wishes, one)
            proofs.append(one.proof)
            if format == "text" and output is None:
                _show(one.proof, verbose)
    finally:
        if proofs:
            _report(proofs, format, output, verbose)
    return proofs


def _requests(http: Sequence[str], smoke: Sequence[str]) -> tuple[Request, ...]:
    from refactor.proof.asking import read_command, read_http

    try:
        return (*map(read_http, http), *map(read_command, smoke))
    except ValueError as error:
        fail(str(error))


def _proven(
    files: Sequence[Path], wishes: Wishes, name: str, plan: Plan, voice: Voice, keep: bool
) -> Iterator[tuple[Path, Proven]]:
    """Prove files in turn; `keep` declines what breaks them."""
    from refactor.proof.in_turn import prove_in_turn
    from refactor.proof.proving import keep_what_builds
    from refactor.proof.proving import prove as prove_one

    wishes = replace(wishes, references=referenced(files))
    with engine_of(name) as engine:

        def proven(one: Path | Task) -> Proven:
            return (keep_what_builds if keep else prove_one)(one, wishes, engine, plan, voice)

        for file in files:
            found = task(file, wishes)
            if isinstance(found, Task) and is_holder(found.name, found.data):
                yield from ((file, one) for one in prove_in_turn(found, proven))
            else:
                yield file, proven(file)


def _write(path: Path, wishes: Wishes, proven: Proven) -> None:
    """Write what is proved."""
    from refactor.engine import Changed
    from refactor.proof.results import PROVED
    from refactor.write import Unwritable, write

    result = proven.result
    if proven.proof.verdict not in PROVED or not isinstance(result, Changed):
        return
    try:
        write(path, result.before, result.after, others(path, result, wishes.roots))
    except Unwritable as error:
        fail(f"{result.path}: not written: {error}")


@contextmanager
def kept(
    files: Sequence[Path], wishes: Wishes, quiet: bool, verbose: bool,
    scan: Callable[[str, str, Path], None] | None = None,
) -> Iterator[Iterator[Result]]:  # fmt: skip
    """Give results that hold only changes with which the image is built, and does the same."""
    from refactor.proof.proving import Plan, keep_what_builds

    wishes = replace(wishes, references=wishes.references | referenced(files))
    with said(quiet, verbose) as voice, engine_of("") as engine:

        def kept_of(one: Path | Task) -> Result:
            proven = keep_what_builds(one, wishes, engine, Plan(scan=scan), voice)
            voice.say(f"{proven.proof.path}: {proven.proof.verdict}: {proven.proof.reason}")
            return _only_proven(proven)

        def results() -> Iterator[Result]:
            for file in files:
                found = task(file, wishes)
                if isinstance(found, Task) and is_holder(found.name, found.data):
                    yield refactored(found, kept_of)
                else:
                    yield kept_of(file)

        yield results()


def _only_proven(proven: Proven) -> Result:
    """Return the result, unless it could not be proved: then the file is left alone."""
    from refactor.engine import Changed, Refused
    from refactor.proof.results import PROVED

    proof, result = proven.proof, proven.result
    if isinstance(result, Changed) and proof.verdict not in PROVED:
        return Refused(result.path, reason=f"not proved: {proof.reason}")
    return result


def _show(proof: Proof, verbose: bool) -> None:
    from refactor.report import proof_text

    for line in proof_text.lines(proof, options.colour(), verbose):
        sys.stdout.write(line)
    sys.stdout.flush()


def _report(proofs: Sequence[Proof], format: str, output: Path | None, verbose: bool) -> None:
    from refactor.report import proof_html, proof_json, proof_markdown, proof_text

    if format == "json":
        body = proof_json.document(proofs)
    elif format == "markdown":
        body = proof_markdown.body(proofs)
    elif format == "html":
        body = proof_html.page(proofs)
    elif output is None:
        body = "".join(proof_text.summary(proofs, options.colour()))
    else:
        parts = [line for proof in proofs for line in proof_text.lines(proof, False, verbose)]
        body = "".join((*parts, *proof_text.summary(proofs)))
    options.put(output, encode(body))


@app.command(help=COMPARE_HELP)
def compare(
    before: Annotated[Path, typer.Argument(help="A saved image.")],
    after: Annotated[Path, typer.Argument(help="Another one.")],
    format: Annotated[
        str, typer.Option("--format", metavar="text|json", help="How to report.")
    ] = "text",
    output: given.Output = None,
    compressed: given.Compressed = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="All differences.")] = False,
) -> None:
    """Compare two saved images."""
    from refactor.proof import archive
    from refactor.proof.comparing import compare as compare_images
    from refactor.proof.limits import ImageError
    from refactor.report import proof_json, proof_text

    _check_format(format, ("text", "json"))
    try:
        packed: dict[str, int] | None = {} if compressed else None
        old, new = (archive.read(path, packed=packed) for path in (before, after))
        found = compare_images(old, new)
    except ImageError as error:
        fail(str(error))
    if format == "json":
        options.put(output, encode(proof_json.comparison_document(found)))
    else:
        colour = options.colour() and output is None
        lines = proof_text.comparison_lines(found, colour, verbose)
        options.put(output, encode("".join(lines)))
    raise typer.Exit(DONE if found.is_empty else BROKEN)


def _code(proofs: Sequence[Proof]) -> int:
    from refactor.proof.results import Verdict

    verdicts = {proof.verdict for proof in proofs}
    if Verdict.BROKEN in verdicts:
        return BROKEN
    return UNPROVED if verdicts & {Verdict.BASELINE, Verdict.REFUSED} else DONE


@contextmanager
def engine_of(name: str) -> Iterator[Engine]:
    """Give the engine; what it or an image of it fails with ends the program, with a message."""
    from refactor.proof.engines import EngineError
    from refactor.proof.engines import engine as find
    from refactor.proof.limits import ImageError

    engine = None
    try:
        engine = find(name)
        with _ended_by_signals():
            yield engine
    except (EngineError, ImageError, ConfigError, Unusable) as error:
        fail(f"{error}{_left(engine)}")
    except KeyboardInterrupt:
        left = _left(engine)
        typer.echo(f"dfr: interrupted{left or '; nothing is left behind'}", err=True)
        raise typer.Exit(ERROR) from None


def _left(engine: Engine | None) -> str:
    if engine is None or not engine.left:
        return ""
    return f"\ndfr: left behind, for the engine did not answer: {', '.join(engine.left)}"


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the program as Ctrl-C does: what was made is removed."""

    def interrupt(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def said(quiet: bool, verbose: bool) -> Iterator[Voice]:
    """Give what shows progress on standard error: a line that changes, on a terminal."""
    from refactor.proof.processes import Voice

    def write(line: str) -> None:
        sys.stdout.flush()
        sys.stderr.write(text.line(line))
        sys.stderr.flush()

    def nothing(line: str) -> None:
        pass

    if quiet:
        yield Voice(nothing, nothing)
    elif verbose or not sys.stderr.isatty():
        yield Voice(write, write if verbose else nothing)
    else:
        from rich.console import Console
        from rich.text import Text

        console = Console(stderr=True)
        with console.status("") as status:

            def show(line: str) -> None:
                status.update(Text(text.flat(line)[: console.width - 4]))

            yield Voice(show, show)


def _check_format(name: str, known: Sequence[str] = given.FORMATS) -> None:
    if name not in known:
        fail(f"--format {name}: there are {', '.join(known)}")
