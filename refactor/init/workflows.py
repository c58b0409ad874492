"""The image builds of workflows that are there, and whether a scan can be put behind each.

A build is taken only where the image is sure to be there when the next step runs, under a name that
the step can say. All others are told, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from refactor.init.pieces import Name
from refactor.outside.yaml_items import Item, documents
from refactor.shell import AndOr, Command, Dialect, Opaque, Script, Word, read

# What says that a workflow scans already: names of scanners, and of the actions that run them.
SCANS = re.compile(
    r"trivy|grype|anchore/scan-action|docker[ /-]scout|scout-(?:cli|action)|\bsnyk\b|\bclair\b",
    re.IGNORECASE,
)
_EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_STAND_IN = re.compile(r"dfr_expression_(\d+)_")
# A name in a shell: what is no variable needs no quotes.
_NAME = re.compile(r"(?:[\w./:@-]|\$\w+|\$\{\w+\})+\Z", re.ASCII)
_DELETES = re.compile(r"\b(?:rmi|prune|image\s+rm)\b")


@dataclass(frozen=True)
class Place:
    """A build behind which a scan can stand: the item of the list at a path.

    `folder` is where its commands run, if not where the job's other steps do.
    """

    path: tuple[str, ...]
    index: int
    name: Name
    folder: str = ""


@dataclass(frozen=True)
class Left:
    """A build that no scan can be put behind, and why."""

    line: int
    reason: str


class _Unsure(ValueError):
    """It is not sure that the image is there; the message says why."""


def is_github(path: str) -> bool:
    """Whether a file is a workflow of GitHub."""
    return path.startswith(".github/")


def builds(path: str, text: str) -> list[Place | Left]:
    """Return the image builds of a workflow. Raises ValueError if it cannot be read."""
    found = documents(text)
    if len(found) != 1:
        raise ValueError("it holds several documents" if found else "it is empty")
    return list(_github(found[0]) if is_github(path) else _gitlab(found[0]))


def _github(document: Item) -> Iterator[Place | Left]:
    for key, jobs in document.get("jobs").fields.items():
        job = jobs[0]
        steps = job.get("steps").parts
        known = set(document.get("env").fields) | set(job.get("env").fields)
        for index, step in enumerate(steps):
            action = step.get("uses").text.startswith("docker/build-push-action@")
            if not action and not _may_build(step.get("run").text):
                continue
            try:
                if "BUILDX_BUILDER" in {*known, *step.get("env").fields}:
                    raise _Unsure("BUILDX_BUILDER names another builder")
                _sure_of_job(document, job, steps[:index])
                _sure_of_step(step)
                name = (
                    _of_action(step.get("with"))
                    if action
                    else _of_run(document, job, steps[:index], step)
                )
                _sure_of_variables(name, known)
            except _Unsure as error:
                yield Left(step.line, str(error))
                continue
            elsewhere = _runs(document, job, "working-directory")
            yield Place(("jobs", key, "steps"), index, name, "." if elsewhere else "")


def _sure_of_job(document: Item, job: Item, before: list[Item]) -> None:
    if not job.get("runs-on").text.startswith("ubuntu"):
        raise _Unsure("the job may not run on Linux")
    if job.get("container"):
        raise _Unsure("the job runs in a container, whose folders a scanner would not see")
    if _runs(document, job, "shell") not in ("", "bash", "sh"):
        raise _Unsure("the job has another shell")
    checkouts = (step for step in before if step.get("uses").text.startswith("actions/checkout@"))
    if not any(not step.get("with", "path") and not step.get("with", "repository")
               and not step.get("if") for step in checkouts):  # fmt: skip
        raise _Unsure("the repository is not checked out, so what is accepted is not there")


def _runs(document: Item, job: Item, key: str) -> str:
    own = job.get("defaults", "run", key)
    return own.text or document.get("defaults", "run", key).text


def _sure_of_variables(name: Name, known: set[str]) -> None:
    used = () if name.is_value else _VARIABLE.findall(name.text)
    for variable in used:
        if variable not in known and not variable.startswith("GITHUB_"):
            raise _Unsure(f"${variable} is not set for the whole job")


def _sure_of_step(step: Item) -> None:
    for key, what in (("if", "has a condition"), ("continue-on-error", "may fail")):
        if step.get(key):
            raise _Unsure(f"the step {what}, so the image may not be there")


def _of_action(given: Item) -> Name:
    pushed = given.get("push").text == "true"
    if given.get("outputs"):
        raise _Unsure("the step has `outputs` of its own")
    if given.get("load").text != "true":
        if not pushed:
            raise _Unsure("the image is put nowhere: `load: true` puts it where a scan finds it")
        platforms = given.get("platforms").text
        if platforms and "linux/amd64" not in platforms:
            raise _Unsure("it may not be built for the machine that scans it")
    names = [name for name in re.split(r"[\n,]", given.get("tags").text) if name.strip()]
    if not names:
        raise _Unsure("the image has no name: `tags` gives it one")
    name = names[0].strip()
    if not re.fullmatch(r"[\w./:@-]+", _EXPRESSION.sub("x", name), re.ASCII):
        raise _Unsure("the name of the image is not understood")
    whole = bool(_EXPRESSION.fullmatch(name))
    return Name(name, True, is_list=whole, is_pushed=given.get("load").text != "true")


def _of_run(document: Item, job: Item, before: list[Item], step: Item) -> Name:
    for earlier in before:  # `docker build` keeps to the engine's own builder, unless it is told
        if "setup-buildx" in earlier.get("uses").text and earlier.get("with", "install"):
            raise _Unsure("`docker build` is told to use another builder")
    shell = step.get("shell").text or _runs(document, job, "shell")
    if shell not in ("", "bash", "sh"):
        raise _Unsure("the step has another shell")
    text = step.get("run").text
    expressions = _EXPRESSION.findall(text)
    marked = text
    for number, expression in enumerate(expressions):
        marked = marked.replace(expression, f"dfr_expression_{number}_", 1)
    name = _tag(marked, Dialect.BASH)
    if not _STAND_IN.search(name):
        return Name(name)
    if "$" in name:
        raise _Unsure("the name of the image mixes expressions and variables")
    return Name(_STAND_IN.sub(lambda match: expressions[int(match[1])], name), True)


def _gitlab(document: Item) -> Iterator[Place | Left]:
    services = document.get("services").parts + document.get("default", "services").parts
    for key, jobs in document.fields.items():
        job = jobs[0]
        own = job.get("services").parts if job.get("services") else services
        for index, item in enumerate(job.get("script").parts):
            if not _may_build(item.text):
                continue
            try:
                if not any("dind" in (part.text or part.get("name").text) for part in own):
                    raise _Unsure(
                        "there is no service docker:dind, with which a scanner sees the job's files"
                    )
                yield Place((key, "script"), index, Name(_tag(item.text, Dialect.POSIX)))
            except _Unsure as error:
                yield Left(item.line, str(error))


def _may_build(text: str) -> bool:
    return bool(re.search(r"\bdocker\s[^\n]*\bbuild\b", text))


def _tag(text: str, dialect: Dialect) -> str:
    """Return the name that a script gives to the image that it builds, as the shell has it."""
    commands: list[Command] = []
    sure: list[Command] = []
    for row in re.sub(r"\\\r?\n", " ", text).splitlines():
        if not row.strip() or row.strip().startswith("#"):
            continue
        script = read(row.strip(), dialect)  # what goes over several lines is opaque by its first
        if isinstance(script, Opaque):
            raise _Unsure(f"its commands are not understood: {script}")
        commands += script.commands()
        sure += _surely_run(script)
    found = [command for command in commands if _is_build(command.argv)]
    if len(found) != 1:
        raise _Unsure("it has several builds" if found else "no `docker build` is found in it")
    ends = any(command.argv[:1] == ("exit",) or "+e" in command.argv for command in commands)
    if ends or found[0] not in sure:
        raise _Unsure("the build is not sure to run")
    if _DELETES.search(text):
        raise _Unsure("images are deleted there, too")
    return _name(found[0])


def _is_build(argv: tuple[str, ...]) -> bool:
    return argv[:2] == ("docker", "build") or argv[:3] in (
        ("docker", "buildx", "build"), ("docker", "image", "build"),
    )  # fmt: skip


def _surely_run(script: Script) -> Iterator[Command]:
    """Yield the commands without which a script does not end well."""
    for part, separator in zip(script.body.parts, script.body.separators, strict=True):
        if separator == "&":
            continue
        if isinstance(part, Command):
            yield part
        elif isinstance(part, AndOr) and set(part.operators) == {"&&"}:
            yield from (inner for inner in part.parts if isinstance(inner, Command))


def _name(command: Command) -> str:
    words = command.words
    texts = [word.text for word in words]
    away = {"--push", "-o", "--output", "--builder"} & {text.partition("=")[0] for text in texts}
    if away or (texts[1] == "buildx" and "--load" not in texts):
        raise _Unsure("the image is not kept by the engine: `--load` and no `--push` would keep it")
    for word, following in zip(words, [*words[1:], None], strict=True):
        option, equal, value = word.text.partition("=")
        if option in ("-t", "--tag"):
            return _plain(value if equal else following.text if isinstance(following, Word) else "")
    raise _Unsure("the image has no name: `--tag` gives it one")


def _plain(written: str) -> str:
    """Return a name in quotes that leave its variables."""
    bare = written[1:-1] if written[:1] == written[-1:] == '"' else written
    if not _NAME.match(bare):
        raise _Unsure("the name of the image is not understood")
    return f'"{bare}"' if "$" in bare else bare
