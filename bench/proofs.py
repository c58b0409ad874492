"""Proves refactorings of build contexts that others wrote, and writes docs/proofs.md.

    python -m bench.proofs CORPUS            prove all of them, and write the page
    python -m bench.proofs CORPUS WORD...    only print the rows of those with a word in their path

DFR_ENGINE names the folder of the engine's scripts, as for the tests. There is no registry there:
an image of another release of the same kind stands in for the one that a Dockerfile names.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from refactor.batch import Wishes, one
from refactor.engine import Changed
from refactor.model import Safety
from refactor.proof import engines
from refactor.proof.asking import Wishes as Asks
from refactor.proof.engines import Engine, Job
from refactor.proof.processes import Voice
from refactor.proof.proving import Plan, prove
from refactor.proof.results import Proof, Verdict
from tests import corpus
from tests.engine import start
from tests.fixture_projects import STAND_INS, Project, engine_for, user

PAGE = Path(__file__).parent.parent / "docs" / "proofs.md"
# In each, what builds where nothing but PyPI, npm and Debian can be reached.
CONTEXTS = """
docker__awesome-compose__traefik-golang/backend/Dockerfile
GoogleCloudPlatform__python-docs-samples__run__helloworld/Dockerfile
GoogleCloudPlatform__python-docs-samples__run__image-processing/Dockerfile
GoogleCloudPlatform__python-docs-samples__run__system-package/Dockerfile
GoogleCloudPlatform__python-docs-samples__run__markdown-preview__renderer/Dockerfile
GoogleCloudPlatform__python-docs-samples__eventarc__pubsub/Dockerfile
GoogleCloudPlatform__python-docs-samples__cloud-sql__postgres__sqlalchemy/Dockerfile
GoogleCloudPlatform__kubernetes-engine-samples__batch__aiml-workloads__src/Dockerfile
GoogleCloudPlatform__kubernetes-engine-samples__quickstarts__languages__python/Dockerfile
GoogleCloudPlatform__kubernetes-engine-samples__quickstarts__languages__nodejs/Dockerfile
GoogleCloudPlatform__kubernetes-engine-samples__quickstarts__languages__go/Dockerfile
GoogleCloudPlatform__kubernetes-engine-samples__quickstarts__hello-app-tls/Dockerfile
instana__robot-shop__payment/Dockerfile
instana__robot-shop__load-gen/Dockerfile
instana__robot-shop__cart/Dockerfile
instana__robot-shop__catalogue/Dockerfile
dockersamples__example-voting-app/vote/Dockerfile
prakhar1989__docker-curriculum__flask-app/Dockerfile
TechEmpower__FrameworkBenchmarks__frameworks__Python__flask/flask-fastpysgi.dockerfile
TechEmpower__FrameworkBenchmarks__frameworks__Python__fastapi/fastapi-gunicorn-orm.dockerfile
""".split()
# The image that stands in for all of its kind, in full and with `slim` in the tag.
IMAGES = {
    "python": ("python:3.11", "python:3.11-slim"),
    "node": ("node:20", "node:20-slim"),
    "golang": ("golang:1.22", "golang:1.22"),
    "debian": ("debian:12-slim", "debian:12-slim"),
    "nginx": ("nginx:1.27", "nginx:1.27"),
}
HEAD = """# Proofs of build contexts that others wrote

Build contexts of public repositories (Python, Node and Go), proved as they are and refactored with
`--select all --level risky`, by `python -m bench.proofs CORPUS`. Images of another release stand in
for those that are named, so a size is not what the registry's image would give. `asked` is how many
of the questions that HEALTHCHECK and EXPOSE let one ask had an answer before, and how many of those
have the same one after: what needs a database or credentials has none. Google's samples are given
PORT=8080.

| context | MB | layers | user | asked | verdict |
|---|---|---|---|---|---|
"""
_FROM = re.compile(r"(?im)^FROM\s+(?:--\S+\s+)*(\S+)")
_ARG = re.compile(r"(?im)^ARG\s+(\w+)=[\"']?([^\s\"']+)")


def stand_in(engine: Engine, text: str) -> None:
    """Name the engine's images as a Dockerfile wants them."""
    arguments = dict(_ARG.findall(text))
    for name in _FROM.findall(text):
        wanted = re.sub(r"\$\{?(\w+)[^}/]*\}?", lambda m: arguments.get(m[1], m[0]), name)
        image, _, tag = wanted.partition(":")
        images = IMAGES.get(image.rpartition("/")[2])
        if images is not None and "@" not in wanted:
            engine.run("tag", images["slim" in tag], wanted)


def proof(engine: Engine, path: Path, context: Path, root: Path) -> Proof:
    """Prove one Dockerfile."""
    wishes = Wishes(level=Safety.RISKY, select=("all",), roots=(root,), context=context)
    result = one(path, wishes)
    for data in (path.read_bytes(), result.after if isinstance(result, Changed) else b""):
        stand_in(engine, data.decode("utf-8", "replace"))
    variables = ("PORT=8080",) if "GoogleCloudPlatform" in path.as_posix() else ()
    asks = Asks(seconds=20, variables=variables)
    plan = Plan(Job(network="host", seconds=600), asks, together=True, syntax=False)
    return prove(path, wishes, engine, plan, Voice(print, lambda line: None)).proof


def row(name: str, found: Proof) -> str:
    """Return a line of the table."""
    shown = name.replace("__", "/").removesuffix("/Dockerfile")
    if found.comparison is None:
        return f"| {shown} | | | | | {found.verdict}: {found.reason} |"
    before, after = found.comparison.before, found.comparison.after
    size = f"{before.size / 1e6:.0f} → {after.size / 1e6:.0f}"
    layers = f"{len(before.layers)} → {len(after.layers)}"
    who = f"{user(before, found.questions, False)} → {user(after, found.questions, True)}"
    answered = [question for question in found.questions if not question.before.error]
    kept = sum(question.is_kept for question in answered)
    verdict = f"{found.verdict}: {found.reason}" if found.verdict is Verdict.BROKEN else (
        f"{found.verdict}")  # fmt: skip
    return f"| {shown} | {size} | {layers} | {who} | {kept} of {len(answered)} | {verdict} |"


def main() -> None:
    """Prove the contexts, and write the page or print rows."""
    parser = argparse.ArgumentParser(description="Prove refactorings of others' build contexts.")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("words", nargs="*", help="only contexts with one of these in their path")
    given = parser.parse_args()
    docker = started()
    rows = []
    root = given.corpus / "dev" / "contexts"
    for path, context in corpus.contexts(given.corpus):
        name = path.relative_to(root).as_posix()
        if name in CONTEXTS and (not given.words or any(word in name for word in given.words)):
            rows.append(row(name, proof(docker, path, context, root / name.partition("/")[0])))
            print(rows[-1], flush=True)
    if not given.words:
        PAGE.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")


def started() -> Engine:
    """Return an engine that has the images which stand in for others."""
    names: Sequence[str] = sorted({name for both in IMAGES.values() for name in both})
    project = Project(Path(), "", (), images=tuple(name for name in names if name in STAND_INS))
    start(tuple(name for name in names if name not in STAND_INS))
    return engines.engine("docker", engine_for([project]).environment)


if __name__ == "__main__":
    main()
