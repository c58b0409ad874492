"""Which build arguments hold a secret, and what it takes to mount it in their place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from refactor.effects.kept_secrets import kept, may_read
from refactor.effects.passed_secrets import footprint as passed_footprint
from refactor.effects.secret_mounts import footprint as footprint
from refactor.effects.secret_mounts import is_tested, names_only
from refactor.effects.secret_mounts import mount as mount
from refactor.facts import lines, secret_words
from refactor.facts.apt import output_stages
from refactor.facts.caches import own_events
from refactor.facts.passed_arguments import Passing, as_secret
from refactor.facts.pragmas import PRAGMA
from refactor.facts.secrets import Use, declared, secrets
from refactor.facts.stages import Stage, is_windows
from refactor.model import Claim, Effect, Refusal
from refactor.outside.unseen_builds import unseen_builds
from refactor.outside.yaml_tree import Unclear
from refactor.snapshot import Run, Snapshot
from refactor.syntax import Instruction

# The releases of Docker's frontend that know `env=` of a secret mount: 1.10 and later.
_FRONTEND = re.compile(
    r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?"
    r"(?::(?:1|latest|master|labs|1-labs|1\.[1-9]\d(?:\.\d+)?(?:-\w+)*))?(?:@sha256:\w+)?\Z"
)
# What fails where a variable is not set, and passes where it is empty.
_STRICT = re.compile(r"\bset\s+(?:-\w+\s+)*-\w*u|nounset")
_COMMENT = re.compile(r"^[ \t]*#", re.MULTILINE)


class Place(NamedTuple):
    """A stage that declares the argument: the instructions that go, and the RUNs that need it."""

    stage: Stage
    gone: tuple[Instruction, ...]
    runs: tuple[Run, ...]

    @property
    def next(self) -> Instruction:
        """What a comment about the argument is about then."""
        return self.runs[0].instruction if self.runs else self.gone[0]


class Plan(NamedTuple):
    """How an argument becomes a secret. `required` is whether no build can do without.

    `empty` is whether it is empty for a build that does not pass it, and not unset as a secret is.
    `passing` are the files that pass it.
    """

    name: str
    what: str
    literal: bool
    required: bool
    empty: bool
    places: tuple[Place, ...]
    passing: Passing


def plans(snapshot: Snapshot) -> list[Plan | Refusal]:
    """Return what is to be done for each argument that holds a secret, in order."""
    found: dict[str, int] = {}
    for secret in secrets(snapshot):
        if secret.keyword == "ARG" and secret.name not in found:
            found[secret.name] = secret.offset
    return [_plan(snapshot, name, at) for name, at in found.items()] + _at_run_time(snapshot, found)


def claims(plan: Plan) -> Iterator[Claim]:
    """Yield what a change claims that makes an argument a secret, in all files."""
    for place in plan.places:
        yield Claim(Effect.SECRETS, footprint(place.stage.label, plan.name))
    for file in plan.passing.files:
        yield Claim(Effect.SECRETS, passed_footprint(file.path, plan.name))


def assumptions(snapshot: Snapshot, plan: Plan) -> Iterator[str]:
    """Yield what the project does not say of the builds that pass the secret."""
    yield f"whoever builds passes {plan.name} as a secret"
    if plan.required:
        yield f"no build does without {plan.name}"
    if plan.empty:
        yield f"nothing tells an empty {plan.name} from none"
    if "syntax" not in snapshot.dockerfile.directives:
        yield "the builder's Dockerfile frontend is 1.10 or later, as BuildKit's is since 0.16"
    yield from plan.passing.assumes


def _at_run_time(snapshot: Snapshot, arguments: dict[str, int]) -> list[Plan | Refusal]:
    """Return refusals for what an image's environment holds, but is no argument."""
    return [
        Refusal(
            "X702", f"{s.name} holds {s.what}, which a container finds in its environment",
            "remove it, give it to the container when it starts, and revoke a value that was here",
            s.offset,
        )
        for s in secrets(snapshot)
        if s.keyword == "ENV" and s.use is Use.RUN_TIME and s.name not in arguments
    ]  # fmt: skip


def _plan(snapshot: Snapshot, name: str, at: int) -> Plan | Refusal:
    refusal = _unable(snapshot, name, at) or _used_elsewhere(snapshot, name, at)
    if refusal:
        return refusal
    places = [_place(snapshot, stage, name, at) for stage in snapshot.graph.stages]
    found: list[Place] = []
    for place in places:
        if isinstance(place, Refusal):
            return place
        if place is not None:
            found.append(place)
    runs = [run for place in found for run in place.runs]
    if not runs:
        return Refusal("X707", f"nothing reads {name}", "delete it", at)
    secret = next(s for s in secrets(snapshot) if s.name == name)
    literal = any(s.literal for s in secrets(snapshot) if s.name == name)
    escape = snapshot.dockerfile.escape
    empty = any(
        value is not None and not value.strip("\"'")
        for place in found for key, value in declared(place.gone[0], escape) if key == name
    )  # fmt: skip
    strict = next((run for run in runs if _STRICT.search(run.whole)), None)
    if empty and strict is not None:
        return Refusal("X703", f"a script tells an empty {name} from none",
                       "drop `set -u`, or the empty value", at)  # fmt: skip
    try:
        passing = as_secret(snapshot, name)
    except Unclear as error:
        return Refusal("X708", f"{name} is passed as a build argument: {error}",
                       f"pass it there as a secret: `--secret id={name},env={name}`, or {name} in "
                       "`secrets:` of the build and of the compose file", at)  # fmt: skip
    known = snapshot.invocations.builds if snapshot.invocations else ()
    unseen = unseen_builds(snapshot.repository) if snapshot.repository else ()
    for other in unseen:
        if re.search(rf"\b{re.escape(name)}\b", snapshot.read(other.path) or ""):
            return Refusal("X708", f"{other.path}, line {other.line} may build it ({other.value}), "
                           f"and names {name}", "pass it there as a secret, and mount it by hand",
                           at)  # fmt: skip
    without = bool(unseen) or any(name not in build.arguments for build in known)
    required = not (empty or without) and not any(is_tested(run.whole, name) for run in runs)
    return Plan(name, secret.what, literal, required, empty, tuple(found), passing)


def _unable(snapshot: Snapshot, name: str, at: int) -> Refusal | None:
    """Return why no build of this file could mount the secret, or why none should."""
    syntax = snapshot.dockerfile.directives.get("syntax", "")
    if snapshot.engine != "buildkit":
        return Refusal("X701", f"{snapshot.engine} knows no secret in the environment of a RUN",
                       "build with BuildKit", at)  # fmt: skip
    if syntax and not _FRONTEND.match(syntax):
        return Refusal("X701", f"{syntax} may not know `env=` of a secret mount",
                       "name docker/dockerfile:1, or 1.10 and later", at)  # fmt: skip
    mine = [s for s in secrets(snapshot) if s.name == name]
    if any(s.use is Use.PLACEHOLDER and s.literal for s in mine if s.keyword == "ARG"):
        return Refusal("X703", f"the value of {name} is a placeholder, which a build may use",
                       "delete the value, if no build uses it", at)  # fmt: skip
    if any(s.use is Use.RUN_TIME for s in mine):
        return Refusal("X702", f"a container finds {name} in its environment",
                       "remove the ENV, if only the build needs it; give it to the container when "
                       "it starts, if not", at)  # fmt: skip
    return None


def _used_elsewhere(snapshot: Snapshot, name: str, at: int) -> Refusal | None:
    """Return where the argument is read by what no mount reaches."""
    word = re.compile(rf"\$\{{?{re.escape(name)}(?!\w)")
    escape = snapshot.dockerfile.escape
    for ins in snapshot.dockerfile.instructions:
        target = ins.trigger or ins
        names = (
            [key for key, _ in declared(target, escape)] if target.keyword in ("ARG", "ENV") else []
        )
        if name in names and (ins.trigger or len(names) > 1 or ins in snapshot.graph.globals):
            return Refusal("X704", f"{name} is declared for several stages, images or with others",
                           "declare it in an instruction of its own, in the stage that reads it",
                           ins.span.start)  # fmt: skip
        handed = names == [name] and target.keyword == "ENV"
        if names == [name] and not handed and "$" in (declared(target, escape)[0][1] or ""):
            return Refusal("X704", f"the value of {name} comes from another argument",
                           "declare it without a value", ins.span.start)  # fmt: skip
        if handed and not names_only(declared(target, escape)[0][1] or "", name):
            return Refusal("X704", f"ENV gives {name} another value", "use two names",
                           ins.span.start)  # fmt: skip
        bodies = [snapshot.text[h.body.start : h.body.end] for h in target.heredocs]
        flags = [flag.value or "" for flag in target.flags]
        texts = (
            (*flags,)
            if target.keyword == "RUN" and not ins.trigger
            else (target.args, *flags, *bodies)
        )
        run_time = target.keyword in ("CMD", "ENTRYPOINT", "HEALTHCHECK")
        if not handed and any(map(word.search, texts)):
            code = "X702" if run_time else "X704"
            return Refusal(code, f"{target.keyword} reads {name}, where no secret is mounted",
                           "read it in a RUN only", ins.span.start)  # fmt: skip
    return None


def _place(snapshot: Snapshot, stage: Stage, name: str, at: int) -> Place | Refusal | None:
    """Return what is to be done in a stage, None if it does not declare the argument."""
    escape = snapshot.dockerfile.escape
    gone = tuple(
        ins for ins in stage.instructions[1:]
        if ins.keyword in ("ARG", "ENV") and name in dict(declared(ins, escape))
    )  # fmt: skip
    if not gone:
        return None
    at = gone[0].span.start
    if [ins.keyword for ins in gone] not in (["ARG"], ["ARG", "ENV"]):
        return Refusal("X704", f"{name} is declared more than once", "declare it once", at)
    if is_windows(stage):
        return Refusal(
            "X709", "a stage of Windows has no secret in its environment", "none known", at
        )
    if snapshot.graph.children(stage.index) or any(ins.trigger for ins in stage.instructions):
        return Refusal("X706", f"what starts from stage {stage.label} may read {name}",
                       "declare it in the stage that reads it", at)  # fmt: skip
    targets = snapshot.invocations.targets if snapshot.invocations else frozenset()
    if len(gone) > 1 and (stage.index in output_stages(snapshot) or stage.name in targets):
        return Refusal("X702", f"a container finds {name} in its environment",
                       "remove the ENV, if only the build needs it", at)  # fmt: skip
    runs: list[Run] = []
    for run in snapshot.runs:
        events = own_events(snapshot, run) if not run.triggered else ()
        if run.stage != stage.index or run.instruction.span.start < at:
            continue
        if any(may_read(event, name) for event in events):
            runs.append(run)
        if text := kept(events, name):
            return Refusal("X705", f"the secret stays in the layer, mounted or not: "
                           f"`{secret_words.mask(text[:80])}`", "give it to the command by its "
                           "environment, or delete the file in the same RUN", at)  # fmt: skip
        if any("type=secret" in (f.value or "") and name in (f.value or "")
               for f in run.instruction.flags):  # fmt: skip
            return Refusal(
                "X704", f"{name} is both an argument and a secret", "delete the argument", at
            )
    if told := next((ins for ins in gone if _is_told_of(snapshot, ins, gone, runs)), None):
        return Refusal("X710", f"a comment is about the declaration of {name}",
                       "delete the comment", told.span.start)  # fmt: skip
    return Place(stage, gone, tuple(runs))


def _is_told_of(
    snapshot: Snapshot, ins: Instruction, gone: tuple[Instruction, ...], runs: list[Run]
) -> bool:
    """Whether a comment about a declaration would be about something else without it.

    What stands above it can stand above the first RUN with the mount, if no other comment is
    between them: comments keep their order.
    """
    told = lines.heading(snapshot, ins)
    if told is None or ins.comments or not runs:
        return told is not None or bool(ins.comments)
    text = snapshot.text[told.span.start : told.span.end]
    between = _COMMENT.search(snapshot.text, ins.span.end, runs[0].instruction.span.start)
    pragma = any(PRAGMA.match(line.strip()) for line in text.split("\n"))
    return ins is not gone[0] or bool(between) or pragma
