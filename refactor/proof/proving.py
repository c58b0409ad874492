"""One Dockerfile, before and after: built, compared, asked; and what broke it is found."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from errno import EDQUOT, ENOENT, ENOSPC
from hashlib import sha256
from itertools import count
from pathlib import Path
from uuid import uuid4

from refactor.batch import Wishes, task
from refactor.compose import Outcome, State, everything
from refactor.engine import (
    Changed,
    Failed,
    Refused,
    Remark,
    Result,
    Task,
    outcome,
    run,
)
from refactor.model import Effect
from refactor.outside.inline_dockerfiles import holder, written
from refactor.proof import archive, asking, declaring
from refactor.proof.asking import Request
from refactor.proof.comparing import Noise, compare, noise
from refactor.proof.differences import Comparison
from refactor.proof.engines import NOT_FETCHED, Engine, EngineError, Job
from refactor.proof.images import Image
from refactor.proof.looks import Look, Trouble, troubles_of, verdict
from refactor.proof.processes import Voice, side_by_side
from refactor.proof.replay import Decline, Key, first_broken
from refactor.proof.results import Answer, Build, Cause, Proof, Question, Rebuild, Verdict
from refactor.proof.trees import Laid, edit, is_plain, lay
from refactor.proof.workshop import workshop
from refactor.source import decode, encode
from refactor.syntax import parse

_SYNTAX = re.compile(r"(?im)\A((?:#[^\n]*\n)*?)[ \t]*#[ \t]*syntax[ \t]*=[^\n]*\n")


@dataclass(frozen=True)
class Plan:
    """How a proof is made.

    `requests` are what images are asked; none: what their own configuration lets one ask. `edited`
    is a file of the build context whose edit is built, too. `together` builds before and after side
    by side. `twice` builds the original once more if something is broken, to know what differs by
    itself. `syntax` is whether a `# syntax=` line counts: it makes BuildKit fetch an image.
    `packed` is whether layers are measured as gzip packs them. `scan` is given each saved image:
    the Dockerfile's name, `before` or `after`, and the archive.
    """

    job: Job = field(default_factory=Job)
    asks: asking.Wishes = field(default_factory=asking.Wishes)
    requests: tuple[Request, ...] = ()
    silent: bool = False
    edited: str = ""
    together: bool = False
    twice: bool = True
    bisect: bool = False
    syntax: bool = True
    packed: bool = False
    scan: Callable[[str, str, Path], None] | None = None


@dataclass
class Proven:
    """A proof, the refactoring that it is of, and the change to decline if that broke it."""

    proof: Proof
    result: Result
    cause: Key | None = None


def prove(
    path: Path | Task, wishes: Wishes, engine: Engine, plan: Plan, voice: Voice,
    declined: frozenset[Key] = frozenset(),
) -> Proven:  # fmt: skip
    """Refactor a Dockerfile, build both, and compare; nothing of it is written.

    Raises EngineError if the engine fails, and ImageError if it gives an image that is none.
    """
    found = path if isinstance(path, Task) else task(path, wishes)
    if isinstance(found, Result):
        return Proven(without(found), found)
    decided = wishes.recall(found.name) or everything
    decide = Decline(frozenset(key.site for key in declined), decided)
    result = run(found.name, found.data, found.config, found.site, decide)
    if not isinstance(result, Changed):
        return Proven(without(result), result)
    before, after = outcome(found.name, parse(decode(found.data)), found.config, found.site, decide)
    with workshop(engine) as folder:
        place = after.snapshot.place
        bench = _Bench(
            found, before.home, place, after, engine, plan, voice, folder, result.remarks
        )
        proof, cause = bench.prove()
    return Proven(proof, result, cause)


def keep_what_builds(
    path: Path | Task, wishes: Wishes, engine: Engine, plan: Plan, voice: Voice
) -> Proven:
    """Decline one change after the other, until what is left is not broken."""
    plan = replace(plan, bisect=True)
    declined: frozenset[Key] = frozenset()
    while True:
        found = prove(path, wishes, engine, plan, voice, declined)
        if found.cause is None or found.cause in declined:
            return found
        declined |= {found.cause}
        voice.say(f"declined: {found.cause.transform}: {found.cause.reason}")


def without(result: Result) -> Proof:
    """Return the proof of what is not built: there is nothing to change, or it is refused."""
    if isinstance(result, Refused | Failed):
        return Proof(result.path, Verdict.REFUSED, result.reason, result.remarks)
    return Proof(result.path, Verdict.UNCHANGED, "there is nothing to change", result.remarks)


@dataclass
class _Bench:
    """Where one Dockerfile is proved."""

    task: Task
    home: str
    place: str
    outcome: Outcome
    engine: Engine
    plan: Plan
    voice: Voice
    folder: Path
    remarks: tuple[Remark, ...]
    label: str = field(default_factory=lambda: f"dfr-proof-{uuid4().hex[:12]}")
    packed: dict[str, int] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    answers: tuple[Answer, ...] = ()  # of the original

    def prove(self) -> tuple[Proof, Key | None]:
        """Build, compare, ask; look for the cause if that is wanted."""
        original = State(decode(self.task.data), {})
        final = State(self.outcome.snapshot.text, self.outcome.snapshot.files)
        free = all(
            claim.effect is Effect.METADATA for s in self.outcome.steps for claim in s.change.claims
        )
        first, last = self._both(original, final, free)
        (tag, built), ours = first, last
        if built.failed:
            reason = f"the original does not build: {built.failed}"
            return self._proof(Verdict.BASELINE, reason, built, None), None
        image = self._image(tag, "before")
        is_cached = free and bool(ours[1].cached) and not ours[1].ran
        known = None
        look = None if ours[1].failed else self._look(ours, (tag, image), None)
        if self.plan.twice and not is_cached and (look is None or look.troubles):
            again, known = self._noise(original, image)
            if again.failed:
                reason = f"the original does not build each time: {again.failed}"
                return self._proof(Verdict.BASELINE, reason, again, None), None
            if look and look.comparison:
                look = self._judged(
                    look.build, compare(image, look.comparison.after, known), look.questions
                )
        if look is None:  # once more: a registry may have failed, and no change
            ours = self._build("after, again", final, True)
            if unreachable := next(filter(NOT_FETCHED.search, ours[1].log), ""):
                raise EngineError(f"an image could not be fetched: {unreachable.strip()[:300]}")
            look = self._look(ours, (tag, image), known)
        rebuild = None
        if self.plan.edited and not look.build.failed:
            rebuild = self._rebuild(original, final)
        if not look.troubles:
            return self._proof(*verdict(look), built, look, rebuild), None
        cause: tuple[Cause, Key] | None = None
        if self.plan.bisect:
            self.voice.say(f"{self.task.name}: broken; looking for the change")
            cause = first_broken(
                self.outcome, lambda state: self._is_broken(state, final, look, (tag, image), known)
            )
        proof = self._proof(Verdict.BROKEN, look.troubles[0].sentence, built, look, rebuild, cause)
        return proof, cause[1] if cause else None

    def _proof(
        self, verdict: Verdict, reason: str, before: Build, look: Look | None,
        rebuild: Rebuild | None = None, cause: tuple[Cause, Key] | None = None,
    ) -> Proof:  # fmt: skip
        changes = tuple(remark for remark in self.remarks if remark.kind == "change")
        if look is None:
            return Proof(self.task.name, verdict, reason, changes, before)
        return Proof(
            self.task.name, verdict, reason, changes, before, look.build, look.comparison,
            look.matches, look.undeclared, look.questions, rebuild, cause and cause[0],
        )  # fmt: skip

    def _both(
        self, original: State, final: State, free: bool
    ) -> tuple[tuple[str, Build], tuple[str, Build]]:
        """Build the first and the last state, without cache if the cache is no proof."""
        if self.plan.together and not free:
            return side_by_side(
                lambda: self._build("before", original, False),
                lambda: self._build("after", final, False),
            )
        first = self._build("before", original, False)
        if first[1].failed:
            return first, first
        return first, self._build("after", final, free)

    def _build(self, what: str, state: State, cache: bool) -> tuple[str, Build]:
        """Build a state; return its tag and what came of it."""
        tag, laid = self._prepared(state)
        found = self._built(what, tag, laid, cache)
        shutil.rmtree(laid.context.parent, ignore_errors=True)
        return tag, found

    def _prepared(self, state: State) -> tuple[str, Laid]:
        """Return a new tag, and a copy of the context in that state."""
        number = next(self.numbers)
        return f"{self.label}:{number}", self._lay(state, f"{number}")

    def _built(self, what: str, tag: str, laid: Laid, cache: bool) -> Build:
        name = f"{self.task.name}: {what}"
        self.voice.say(f"{name}: build")
        found = self.engine.build(
            tag, laid.context, laid.dockerfile, self.plan.job, cache,
            lambda line: self.voice.log(f"{name}: {line}"),
        )  # fmt: skip
        self.voice.say(
            f"{name}: {'does not build' if found.failed else 'built'}, {found.seconds:.0f} s"
        )
        return found

    def _text(self, text: str) -> str:
        return text if self.plan.syntax else _SYNTAX.sub(r"\1", text)

    def _rewritten(self) -> dict[str, str]:
        """Return the digests of the files that change, before and after."""
        last = self.outcome.snapshot
        pairs = [(self._text(decode(self.task.data)), self._text(last.text))]
        files = self._files(State(last.text, last.files))
        pairs += [(self._original(path), text) for path, text in files.items()]
        return {_digest(old): _digest(new) for old, new in pairs}

    def _original(self, path: str) -> str:
        """Return what another file of the repository says as it is, empty if there is none."""
        return self.outcome.steps[0].before.read(path) or ""

    def _files(self, state: State) -> dict[str, str]:
        """Return the other files of a state; one that holds the Dockerfile holds that of it."""
        own, held = holder(self.place)
        if not held:
            return dict(state.files)
        return written(self.place, state.text, state.files, self._original(own))

    def _lay(self, state: State, name: str) -> Laid:
        text, files = self._text(state.text), self._files(state)
        place = "" if holder(self.place)[1] else self.place
        links = self.engine.program == "docker"  # others let a build write to its context
        try:
            return lay(self.task.root, self.home, place, text, files, self.folder / name, links)
        except OSError as error:
            full = "; TMPDIR names another folder" if error.errno in (ENOSPC, EDQUOT) else ""
            raise EngineError(
                f"{error.filename or self.folder}: the build context could not be copied: "
                f"{error.strerror}{full}"
            ) from None

    def _image(self, tag: str, scanned: str = "") -> Image:
        """Read an image that was built; one that a reader of the result meets is scanned."""
        target = self.folder / f"{tag.rpartition(':')[2]}.tar"
        self.voice.say(f"{self.task.name}: reading the image")
        self.engine.save(tag, target)
        try:
            if self.plan.scan and scanned:
                self.plan.scan(self.task.name, scanned, target)
            return archive.read(target, packed=self.packed if self.plan.packed else None)
        finally:
            target.unlink(missing_ok=True)

    def _noise(self, original: State, image: Image) -> tuple[Build, Noise | None]:
        """Return what two builds of the original differ in.

        The second gets a comment at its end: what is made of the Dockerfile's bytes, such as a
        version that git tells, is noise too.
        """
        text = original.text.rstrip("\n") + "\n# built again\n"
        tag, built = self._build("before, again", State(text, original.files), False)
        if built.failed:
            return built, None
        found = noise(image, self._image(tag))
        self.engine.remove(tag)
        return built, found

    def _look(
        self, built: tuple[str, Build], first: tuple[str, Image], known: Noise | None,
        is_last: bool = True,
    ) -> Look:  # fmt: skip
        """Compare what was built with the original, and ask both."""
        tag, build = built
        if build.failed:
            why = Trouble("build", f"it does not build any more: {build.failed}")
            return Look(build, troubles=(why,))
        comparison = compare(first[1], self._image(tag, "after" if is_last else ""), known)
        questions: tuple[Question, ...] = ()
        if self.engine.runs and not self.plan.silent:
            requests = list(self.plan.requests) or asking.of_settings(first[1].settings)
            self.voice.say(f"{self.task.name}: asking both images")
            questions = asking.ask(
                self.engine, first[0], tag, requests, self.plan.asks, self.answers
            )
            if is_last and not all(question.is_kept for question in questions):  # it may be chance
                questions = asking.ask(self.engine, first[0], tag, requests, self.plan.asks)
            self.answers = tuple(question.before for question in questions)
        return self._judged(build, comparison, questions)

    def _judged(
        self, build: Build, comparison: Comparison, questions: tuple[Question, ...]
    ) -> Look:
        """Return what a comparison and answers come to."""
        comparison = declaring.without_ours(comparison, self._rewritten())
        changes = [(step.transform.id, step.change) for step in self.outcome.steps]
        matches, undeclared = declaring.match(changes, comparison)
        troubles = tuple(
            troubles_of(comparison, declaring.effects_of(changes), undeclared, questions)
        )
        return Look(build, comparison, matches, undeclared, questions, troubles)

    def _is_broken(
        self, state: State, final: State, last: Look, first: tuple[str, Image],
        known: Noise | None,
    ) -> bool:  # fmt: skip
        """Whether a state on the way is broken in the same way."""
        if state == final:
            return True
        tag, built = self._build("a change on the way", state, True)
        try:
            if built.failed or last.build.failed:
                return bool(built.failed)
            found = self._look((tag, built), first, known, False).troubles
            return last.troubles[0].key in {trouble.key for trouble in found}
        finally:
            self.engine.remove(tag)

    def _rebuild(self, original: State, final: State) -> Rebuild:
        """Build both with the cache, edit one source file, and build both again."""

        def before() -> Build:
            return self._edited("before", original)

        def after() -> Build:
            return self._edited("after", final)

        both = side_by_side(before, after) if self.plan.together else (before(), after())
        return Rebuild(self.plan.edited, *both)

    def _edited(self, what: str, state: State) -> Build:
        """Build a state with the cache, edit the file, and return what comes of another build."""
        tag, laid = self._prepared(state)
        self._built(f"{what}, cached", tag, laid, True)
        try:
            if not is_plain(laid.context, self.plan.edited):
                raise FileNotFoundError(ENOENT, "it is not below it", self.plan.edited)
            edit(laid.context / self.plan.edited)
        except OSError as error:
            home = self.home or "the repository's folder"
            raise EngineError(
                f"--rebuild {self.plan.edited}: a file of the build context ({home}) is meant: "
                f"{error.strerror}"
            ) from None
        found = self._built(f"{what}, edited", tag, laid, True)
        self.engine.remove(tag)
        return found


def _digest(text: str) -> str:
    return sha256(encode(text)).hexdigest() if text else ""
