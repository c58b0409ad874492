"""What CI files and the files of deployment tools say, those that are YAML."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from itertools import pairwise

from refactor.outside import compose_files, kubernetes, platforms
from refactor.outside.container_commands import Place, read_words
from refactor.outside.container_commands import read as read_shell
from refactor.outside.records import Build, Found, Record, dockerfiles, has_variable, stages
from refactor.outside.shell_lines import TOOLS, Word, expanded, fill, values
from refactor.outside.yaml_items import Item, documents, filled, is_template, walk

# A document without one of these says nothing of images.
WORTH = re.compile(
    r"services:|ontainers:|image|docker|podman|buildah|kaniko|kubectl|gcloud|artifacts:", re.I
)
# Actions, plugins and tasks that build an image with what they are given.
_BUILDS = re.compile(
    r"build-push|kaniko|buildah|plugin-docker|plugins/(?:docker|ecr|gcr|acr)|\bDocker@\d"
    r"|docker.*build|build.*(?:docker|image)|image.*build",
    re.IGNORECASE,
)
_BUILDS_NOT = re.compile(r"metadata-action|login-action|setup-|bake-action")
_DOCUMENT = re.compile(r"^---(?:[ \t]|$)", re.M)


def worth(text: str) -> str:
    """Return a text with those of its documents emptied that say nothing of images."""
    starts = [0, *(match.start() for match in _DOCUMENT.finditer(text)), len(text)]
    parts = [text[start:end] for start, end in pairwise(starts)]
    if not any(WORTH.search(part) for part in parts):
        return ""
    kept = (
        part if WORTH.search(part) else "---" + "\n" * part.count("\n") for part in parts if part
    )
    return "".join(kept)


def read(path: str, text: str) -> Iterator[Record]:
    """Yield what a YAML file says."""
    try:
        found = documents(filled(text))
    except ValueError as error:
        yield Found(str(error), path, 0)
        yield from read_shell(expanded(text), Place("ci", path, 1, ("",)))
        return
    known = values(text) if "$" in text else {}
    for document in found:
        if compose_files.is_compose(document):
            yield from compose_files.read(document, path)
        elif document.get("apiVersion").text.startswith("skaffold/"):
            yield from platforms.skaffold(document, path)
        elif kubernetes.is_manifest(document):
            yield from kubernetes.read(document, path, is_template(text))
            yield from _scripts(document, path, known)
        else:
            yield from _pipeline(document, path, known)


def _pipeline(document: Item, path: str, known: dict[str, str]) -> Iterator[Record]:
    name = posixpath.basename(path)
    if document.get("runs", "using").text == "docker":
        yield from platforms.action(document, path)
    elif name in ("heroku.yml", "heroku.yaml"):
        yield from platforms.heroku(document, path)
    elif name in ("render.yaml", "render.yml"):
        yield from platforms.render(document, path)
    folders = _folders(document)
    steps = [item for item in walk(document) if item.kind == "map"]
    tags = [tag for step in steps for tag in _tags(step)]
    for step in steps:
        arguments = step.get("args")
        image = step.get("name").text or step.get("image").text
        if arguments.parts and re.search(r"docker\b|kaniko", image) and not step.get("entrypoint"):
            tool = "executor" if "kaniko" in image else "docker"
            words = [Word(fill(text, known), text) for text in (tool, *arguments.texts())]
            yield from read_words(words, Place("ci", path, arguments.line, folders))
        user = f"{step.get('uses').text} {step.get('image').text} {step.get('task').text}"
        if _BUILDS.search(user) and not _BUILDS_NOT.search(user):
            for key in ("with", "settings", "inputs"):
                if step.get(key):
                    yield _step(step.get(key), path, known, tags)
    yield from _scripts(document, path, known, folders)


def _tags(step: Item) -> list[str]:
    """Return the names that a step makes up for a later one to give to an image."""
    if "metadata-action" not in step.get("uses").text:
        return []
    return step.get("with", "images").text.split()


def _folders(document: Item) -> tuple[str, ...]:
    """Return the folders that the steps of a pipeline name to run in."""
    found = [""]
    for item in walk(document):
        for key in ("working-directory", "working_directory", "workingDirectory", "dir"):
            folder = posixpath.normpath(item.get(key).text or ".").removeprefix("./")
            if folder not in (*found, ".") and not has_variable(folder) and len(found) < 16:
                found.append(folder)
    return tuple(found)


def _scripts(
    document: Item, path: str, known: dict[str, str], folders: tuple[str, ...] = ("",)
) -> Iterator[Record]:
    for item in walk(document):
        if item.kind == "text" and " " in item.text and TOOLS.search(item.text):
            place = Place("ci", path, item.line, folders)
            yield from read_shell(fill(item.text, known), place)


def _step(item: Item, path: str, known: dict[str, str], made_up: list[str]) -> Build:
    """Read what an action, plugin or task is given that builds an image."""
    given = {name.lower(): values[0] for name, values in item.fields.items()}

    def all_(*names: str) -> list[str]:
        items = [given[name] for name in names if name in given]
        return [fill(text, known).strip() for item in items for text in item.texts()]

    context = (all_("context", "buildcontext") or ["."])[0]
    file = (all_("file", "dockerfile") or [""])[0].removeprefix("**/")
    files = dockerfiles(("",), context, file)
    if file:  # some take it from the context
        files += dockerfiles(("",), context, file, from_context=True)
    names = all_("tags", "image-names", "repository", "repo", "image", "images")
    images = [name for text in names for name in re.split(r"[\n, ]+", text) if name]
    arguments = all_("build-args", "build_args", "arguments", "buildargs")
    lines = [line.strip(" \t\r\"'") for text in arguments for line in re.split(r"[\n,]", text)]
    return Build(
        "ci", path, item.line, files,
        targets=stages((all_("target") or [""])[0]),
        arguments=tuple(dict.fromkeys(line.partition("=")[0] for line in lines if line)),
        images=(*images, *(made_up if "$" in " ".join(images) else ())),
    )  # fmt: skip
