"""One Dockerfile, before and after: built, compared, asked; and what broke it is found."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from refactor.batch import Task, Wishes, task
from refactor.compose import Outcome
from refactor.engine import Changed, Failed, Refused, Remark, Result, outcome, run
from refactor.model import Effect
from refactor.proof import archive, asking, declaring, processes
from refactor.proof.asking import Request
from refactor.proof.comparing import Noise, compare, noise
from refactor.proof.differences import Comparison
from refactor.proof.engines import Engine, EngineError, Job
from refactor.proof.images import Image
from refactor.proof.processes import Voice
from refactor.proof.replay import Decline, Key, State, first_broken
from refactor.proof.results import Build, Cause, Match, Proof, Question, Rebuild, Verdict
from refactor.proof.trees import Laid, lay
from refactor.source import decode, encode
from refactor.syntax import parse

_SYNTAX = re.compile(r"(?im)\A((?:#[^\n]*\n)*?)[ \t]*#[ \t]*syntax[ \t]*=[^\n]*\n")


@dataclass(frozen=True)
class Plan:
    """How a proof is made.

    `requests` are what images are asked; none: what their own configuration lets one ask. `edited`
    is a file of the build context whose edit is built, too. `together` builds before and after side
    by side; `twice` builds the original twice, to know what differs by itself. `syntax` is whether
    a `# syntax=` line counts: it makes BuildKit fetch an image. `packed` is whether layers are
    measured as gzip packs them.
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


@dataclass
class Proven:
    """A proof, the refactoring that it is of, and the change to decline if that broke it."""

    proof: Proof
    result: Result
    cause: Key | None = None


def prove(
    path: Path, wishes: Wishes, engine: Engine, plan: Plan, voice: Voice,
    declined: frozenset[Key] = frozenset(),
) -> Proven:  # fmt: skip
    """Refactor a file, build both, and compare; nothing of it is written.

    Raises EngineError if the engine fails, and ImageError if it gives an image that is none.
    """
    found = task(path, wishes)
    if isinstance(found, Result):
        return Proven(_without(found), found)
    decide = Decline(declined)
    result = run(found.name, found.data, found.config, found.site, decide)
    if not isinstance(result, Changed):
        return Proven(_without(result), result)
    before, after = outcome(found.name, parse(decode(found.data)), found.config, found.site, decide)
    with _workshop(engine) as folder:
        place = after.snapshot.place
        bench = _Bench(
            found, before.home, place, after, engine, plan, voice, folder, result.remarks
        )
        proof, cause = bench.prove()
    return Proven(proof, result, cause)


def keep_what_builds(
    path: Path, wishes: Wishes, engine: Engine, plan: Plan, voice: Voice
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


def _without(result: Result) -> Proof:
    """Return the proof of what is not built."""
    if isinstance(result, Refused | Failed):
        return Proof(result.path, Verdict.REFUSED, result.reason, result.remarks)
    return Proof(result.path, Verdict.UNCHANGED, "there is nothing to change", result.remarks)


@contextmanager
def _workshop(engine: Engine) -> Iterator[Path]:
    """Give a folder, and remove it and the images at the end, however that comes."""
    folder = Path(tempfile.mkdtemp(prefix="dfr-proof-"))
    try:
        yield folder
    finally:
        for made in engine.left:
            if not made.startswith("container "):
                engine.remove(made)
        shutil.rmtree(folder, ignore_errors=True)


class _Trouble(NamedTuple):
    """Why something is broken: what tells it from other troubles, and a sentence."""

    key: str
    sentence: str


@dataclass(frozen=True)
class _Look:
    """What one state of the Dockerfile comes to. `troubles` are why it is broken, worst first."""

    build: Build
    comparison: Comparison | None = None
    matches: tuple[Match, ...] = ()
    undeclared: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    troubles: tuple[_Trouble, ...] = ()


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
        image = self._image(tag)
        is_cached = free and not ours[1].ran
        known = self._noise(original, image) if self.plan.twice and not is_cached else None
        look = self._look(ours, (tag, image), known)
        rebuild = None
        if self.plan.edited and not look.build.failed:
            rebuild = self._rebuild(original, final)
        if not look.troubles:
            return self._proof(*self._verdict(look), built, look, rebuild), None
        cause: tuple[Cause, Key] | None = None
        if self.plan.bisect:
            self.voice.say(f"{self.task.name}: broken; looking for the change")
            cause = first_broken(
                self.outcome, lambda state: self._is_broken(state, final, look, (tag, image), known)
            )
        proof = self._proof(Verdict.BROKEN, look.troubles[0].sentence, built, look, rebuild, cause)
        return proof, cause[1] if cause else None

    def _verdict(self, look: _Look) -> tuple[Verdict, str]:
        assert look.comparison is not None
        if look.comparison.is_empty:
            return Verdict.EQUIVALENT, "the images hold the same, and start the same"
        return Verdict.DECLARED, "all that differs is what the changes declare"

    def _proof(
        self, verdict: Verdict, reason: str, before: Build, look: _Look | None,
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
            with ThreadPoolExecutor(2) as pool:
                one = pool.submit(self._build, "before", original, False)
                two = pool.submit(self._build, "after", final, False)
                try:
                    return one.result(), two.result()
                except BaseException:
                    processes.end_all()
                    raise
        first = self._build("before", original, False)
        if first[1].failed:
            return first, first
        return first, self._build("after", final, free)

    def _build(self, what: str, state: State, cache: bool) -> tuple[str, Build]:
        """Build a state; return its tag and what came of it."""
        tag, laid = self._prepared(state)
        return tag, self._built(what, tag, laid, cache)

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
        pairs += [(self._original(path), text) for path, text in last.files.items()]
        return {_digest(old): _digest(new) for old, new in pairs}

    def _original(self, path: str) -> str:
        """Return what another file of the repository says as it is, empty if there is none."""
        return self.outcome.steps[0].before.read(path) or ""

    def _lay(self, state: State, name: str) -> Laid:
        text = self._text(state.text)
        try:
            return lay(self.task.root, self.home, self.place, text, state.files, self.folder / name)
        except OSError as error:
            raise EngineError(
                f"the build context could not be copied to {self.folder}: {error.strerror}; "
                "TMPDIR names another folder"
            ) from None

    def _image(self, tag: str) -> Image:
        """Read an image that was built."""
        target = self.folder / f"{tag.rpartition(':')[2]}.tar"
        self.voice.say(f"{self.task.name}: reading the image")
        self.engine.save(tag, target)
        try:
            return archive.read(target, packed=self.packed if self.plan.packed else None)
        finally:
            target.unlink(missing_ok=True)

    def _noise(self, original: State, image: Image) -> Noise | None:
        """Return what two builds of the original differ in; nothing is known if one fails."""
        tag, built = self._build("before, again", original, False)
        if built.failed:
            return None
        try:
            return noise(image, self._image(tag))
        finally:
            self.engine.remove(tag)

    def _look(
        self, built: tuple[str, Build], first: tuple[str, Image], known: Noise | None
    ) -> _Look:
        """Compare what was built with the original, and ask both."""
        tag, build = built
        if build.failed:
            why = _Trouble("build", f"it does not build any more: {build.failed}")
            return _Look(build, troubles=(why,))
        comparison = compare(first[1], self._image(tag), known)
        comparison = declaring.without_ours(comparison, self._rewritten())
        changes = ((step.transform.id, step.change) for step in self.outcome.steps)
        matches, undeclared = declaring.match(changes, comparison)
        questions: tuple[Question, ...] = ()
        if self.engine.runs and not self.plan.silent:
            requests = list(self.plan.requests) or asking.of_settings(first[1].settings)
            self.voice.say(f"{self.task.name}: asking both images")
            questions = asking.ask(self.engine, first[0], tag, requests, self.plan.asks)
        troubles = tuple(_troubles(comparison, undeclared, questions))
        return _Look(build, comparison, matches, undeclared, questions, troubles)

    def _is_broken(
        self, state: State, final: State, last: _Look, first: tuple[str, Image],
        known: Noise | None,
    ) -> bool:  # fmt: skip
        """Whether a state on the way is broken in the same way."""
        if state == final:
            return True
        tag, built = self._build("a change on the way", state, True)
        try:
            if built.failed or last.build.failed:
                return bool(built.failed)
            found = self._look((tag, built), first, known).troubles
            return last.troubles[0].key in {trouble.key for trouble in found}
        finally:
            self.engine.remove(tag)

    def _rebuild(self, original: State, final: State) -> Rebuild:
        """Build both with the cache, edit one source file, and build both again."""
        builds = []
        for what, state in (("before", original), ("after", final)):
            tag, laid = self._prepared(state)
            self._built(f"{what}, cached", tag, laid, True)
            file = laid.context / self.plan.edited
            try:
                data = file.read_bytes()
                file.unlink()  # it may be a link to the original
                file.write_bytes(data + b"\n")
            except OSError as error:
                raise EngineError(f"{self.plan.edited}: {error.strerror}") from None
            builds.append(self._built(f"{what}, edited", tag, laid, True))
            self.engine.remove(tag)
        return Rebuild(self.plan.edited, builds[0], builds[1])


def _digest(text: str) -> str:
    return sha256(encode(text)).hexdigest() if text else ""


def _troubles(
    comparison: Comparison, undeclared: Sequence[str], questions: Sequence[Question]
) -> Iterator[_Trouble]:
    """Yield why what was built is broken; nothing if it is not."""
    for defect in sorted(declaring.harmful(comparison)):
        sentence = f"{defect.kind} {defect.path}: {defect.what}"
        yield _Trouble(sentence, sentence)
    for question in questions:
        if not question.is_kept:
            before, after = question.before, question.after
            now = after.error or f"{after.status} {after.body}"
            was = f"{before.status} {before.body}" if before.status is not None else before.body
            yield _Trouble(question.text, f"{question.text}: {was} before, now {now}")
    if undeclared:
        yield _Trouble("undeclared", f"no change declares this: {undeclared[0]}")
