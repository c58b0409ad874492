"""What npm installs for the development of a project, and what in an image would miss it.

npm from version 7 on keeps with `--omit=dev` what a dependency asks for as its peer, whoever
else names it, unless `legacy-peer-deps` is set (npm/cli issue 7740: optional peers too, and tried
with npm 11.19); npm 6, Yarn and pnpm may leave that out.
"""

from __future__ import annotations

import re

from refactor.effects import Copy, Event
from refactor.effects.artefact_needs import Subject
from refactor.effects.artefact_node import NodeWalk, call
from refactor.effects.artefact_node_prune import command_for, named, uses
from refactor.effects.artefact_node_sources import Package, package, sources
from refactor.effects.artefact_roots import starts
from refactor.effects.artefact_walk import below, steps
from refactor.effects.dropping import is_cleanup
from refactor.effects.placed import Placed
from refactor.effects.provenance import runs_others
from refactor.effects.roots import roots
from refactor.facts.development import Needed as Needed
from refactor.facts.installs import Unknown
from refactor.snapshot import Run, Snapshot

ASSUMED = "what runs loads none of the dependencies for development by a name that is computed"
_LIFE_CYCLE = frozenset(
    "preinstall install postinstall prepublish preprepare prepare postprepare dependencies".split()
)
_DEVELOPMENT = re.compile(r"(?:\A|[/._-])(?:dev\w*|ci|tests?|lint)(?:[/._-]|\Z)", re.IGNORECASE)
_IN_FRONT = frozenset({"exec", "tini", "dumb-init", "--"})
MAX_DEPTH = 4
_UNLOCK = "add --omit=dev by hand"


def is_for_development(snapshot: Snapshot) -> bool:
    """Whether the file, or its last stage, is for the development by its name."""
    names = (snapshot.place, snapshot.graph.stages[-1].name)
    return any(map(_DEVELOPMENT.search, names))


def packages(snapshot: Snapshot, run: Run, argv: tuple[str, ...]) -> frozenset[str] | Needed:
    """Return what an install brings that only development needs; nothing if it brings none."""
    stage = snapshot.graph.stages[run.stage]
    sent = snapshot.sent
    if sent is None or not sent.complete or snapshot.invocations is None:
        return Needed("S601", "no complete build context is known", "run it in the repository")
    subject = Subject(snapshot.build.stages[run.stage], stage, snapshot)
    placed = Placed(sent)
    found: tuple[Package, str] | None = None
    for step in steps(subject.stage, stage.instructions[1:]):
        for event in step.events:
            if found is not None and (stop := _later(event, found[1])):
                return stop
            if isinstance(event, Copy) and event.origin is None:
                files = placed.puts(event)
                if files is None:
                    return Needed("S601", f"what `{event.text[:80]}` copies is not known", _UNLOCK)
                placed.take(files)
            asked = call(event)
            here = step.instruction is run.instruction and getattr(event, "argv", ()) == argv
            if asked is None or not here or found is not None:
                continue
            if step.env.get("NODE_ENV") == "production" or "NODE_ENV=" in event.text:
                return frozenset()
            if "NODE_ENV" in step.env:
                return Needed("S605", "NODE_ENV says what the image is for", _UNLOCK)
            project = package(placed, asked.folder) if asked.folder else None
            if project is None:
                return Needed("S601", "the package.json of the install is not read", _UNLOCK)
            found = project, asked.folder
    if found is None or not found[0].development:
        return frozenset()
    return _needed(subject, placed, *found) or found[0].development


def _later(event: Event, folder: str) -> Needed | None:
    """Return why what comes behind the install may need what it brings."""
    if isinstance(event, Copy):
        other = event.origin is not None and below(event.destination.text.rstrip("/"), folder)
        reason = f"`{event.text[:80]}` brings what may need them" if other else ""
        return Needed("S604", reason, _UNLOCK) if other else None
    if is_cleanup(event) or not runs_others(event):
        return None
    return Needed("S604", f"`{event.text[:80]}` may need them", "see split-node-stages")


def _is_node(argv: tuple[str, ...], project: Package, depth: int = 0) -> bool:
    """Whether a command runs Node.js on a file, and nothing that reads a configuration first."""
    if argv[:1] in (("/bin/sh",), ("sh",)) and argv[1:2] == ("-c",) and len(argv) == 3:
        argv = tuple(argv[2].split())
    while argv and argv[0].rpartition("/")[2] in _IN_FRONT:
        argv = argv[1:]
    if depth > MAX_DEPTH or not argv or any(c in word for word in argv for c in "&|;`$<>()"):
        return False
    if argv[0] == "npm" and len(argv) > 1:
        name = (*argv[2:], "")[0] if argv[1] in ("run", "run-script") else argv[1]
        texts = [project.scripts.get(n) for n in (f"pre{name}", name, f"post{name}")]
        found = [tuple(text.split()) for text in texts if text is not None]
        return texts[1] is not None and all(_is_node(a, project, depth + 1) for a in found)
    return argv[0] in ("node", "/usr/local/bin/node") and len(argv) > 1


def _needed(subject: Subject, placed: Placed, project: Package, folder: str) -> Needed | None:
    """Return what needs them: the install itself, what the image starts, or a source."""
    stage = subject.stage
    image = subject.image
    if image.name != "node" or command_for(image)[-1:] != ("--omit=dev",):
        return Needed("S602", "npm may be older than 7, which forgets peers", "use a newer Node.js")
    if project.workspaces:
        return Needed("S601", "the project has workspaces", _UNLOCK)
    own = sorted(_LIFE_CYCLE & project.scripts.keys())
    if own or placed.kind(f"{folder}/binding.gyp"):
        return Needed("S604", f"`{own[0] if own else 'node-gyp'}` runs with the install", _UNLOCK)
    if not {"cmd", "entrypoint"} & dict(stage.config).keys():
        return Needed("S604", "how the image is started is not known", _UNLOCK)
    for start in starts(stage, subject.around):
        probes = start.code == "S505" or start.arguments
        if not probes and not _is_node(start.argv, project):
            what = " ".join(start.argv)[:80]
            return Needed("S604", f"{start.where} runs `{what}`, not plain `node`", _UNLOCK)
    pairs = dict(stage.config)["env"]
    assert isinstance(pairs, tuple)
    texts = [(root.where, root.text) for root in roots(stage, subject.around)]
    texts += [(f"ENV {name}", value.text) for name, value in pairs]
    for where, text in texts:
        if used := named(tuple(text.split()), project, set()):
            return Needed("S604", f"{where} names {used}", f"make {used} a dependency")
    walk = NodeWalk(subject.image, placed, folder, compiles=False)
    unknown = uses(subject, walk, project)
    scripts = sources(placed, folder)
    if unknown is not None or isinstance(scripts, Unknown):
        why = unknown or scripts
        assert isinstance(why, Unknown)
        return Needed("S603", why.reason, why.unlock)
    words = "|".join(map(re.escape, sorted(project.development)))
    quoted = re.compile(rf"[\"'`](?:{words})[\"'`/]")
    for script in scripts:
        if match := quoted.search(script.text):
            return Needed("S603", f"{script.path} names {match[0]}", "make it a dependency")
    return None
