"""What a transform is made of, and what it yields."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from refactor.source import Edit

if TYPE_CHECKING:
    from refactor.snapshot import Snapshot


class Safety(IntEnum):
    """How much a change asks of a reviewer.

    SAFE: no difference outside its claims, for any build argument, target and engine.
    SUGGESTED: no failure that is not caused by an assumption that it lists.
    RISKY: no difference outside its declared contract.
    """

    RISKY = 1
    SUGGESTED = 2
    SAFE = 3


class Effect(StrEnum):
    """What may differ after a change."""

    LAYERS = "layers"
    CACHES = "caches"
    COMMANDS = "commands"
    ORDER = "order"
    STAGES = "stages"
    ENV = "env"
    METADATA = "metadata"
    ENTRY = "entry"
    PACKAGES = "packages"
    USER = "user"
    BASE = "base"
    FILES = "files"
    SETTINGS = "settings"
    SECRETS = "secrets"


class Phase(IntEnum):
    """When a transform runs; within a phase the order is that of the ids."""

    REPAIR = 1
    FLAGS = 2
    PAIR_MERGE = 3
    CONTEXT = 4  # in front of the stages: what is not sent need not be copied on
    CACHE_ORDER = 5
    STAGES = 6
    BASE = 7
    CLEANUP = 8  # behind the stages: what a builder leaves is in no image
    USER = 9
    ENTRY = 10
    MERGE = 11


@dataclass(frozen=True, slots=True)
class Claim:
    """An effect, and exactly where: the contract that the verifier holds a change to."""

    effect: Effect
    footprint: frozenset[str]

    def __str__(self) -> str:
        return f"{self.effect} ({'; '.join(sorted(self.footprint))})"


@dataclass(frozen=True, slots=True)
class FileEdits:
    """Edits of another file of the repository, by its path there; one that is not there is made."""

    path: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A reason and the edits that go with it, all or none; offsets are into the snapshot's text.

    `assumes` are sentences that the project cannot prove: with any, the level is at most SUGGESTED.
    `evidence` names what was found where: `path:line what`. `by_hand` is whether a person wrote it:
    then not all that is claimed need happen.
    """

    reason: str
    edits: tuple[Edit, ...]
    claims: tuple[Claim, ...] = ()
    level: Safety = Safety.SAFE
    assumes: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    files: tuple[FileEdits, ...] = ()
    by_hand: bool = False

    @property
    def effective_level(self) -> Safety:
        """The level after the cap for what is assumed."""
        return min(self.level, Safety.SUGGESTED) if self.assumes else self.level


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a transform did not act at a place, and what would let it."""

    code: str
    reason: str
    unlock: str
    offset: int


class Unfit(NamedTuple):
    """Why something stays as it is, where the place of a Refusal is not told yet."""

    code: str
    reason: str
    unlock: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Advice: never an edit, never an exit code."""

    code: str
    reason: str
    offset: int


Finding = Change | Refusal | Notice


@dataclass(frozen=True, slots=True)
class Example:
    """A test and a piece of documentation; `after` None means that nothing may change.

    `refuses` is the code of the refusal that is expected, `notices` that of the notice, `files` the
    build context. `others` are the other files that are written then, each as `path=content`.
    """

    before: str
    after: str | None = None
    refuses: str = ""
    level: Safety = Safety.RISKY
    files: tuple[str, ...] | None = None
    note: str = ""
    others: tuple[str, ...] = ()
    notices: str = ""


def occurs(words: tuple[str, ...], lowered: str) -> bool:
    """Whether one of the words occurs in a lower-case text."""
    return any(map(lowered.__contains__, words))


Propose = Callable[["Snapshot", Any], Iterable[Finding]]


@dataclass(frozen=True)
class Transform:
    """A named refactoring. `triggers`: one of these words must occur, in any case.

    `answers` are the rules of hadolint and BuildKit whose ignore comments hold for it too.
    `highest` is the level that its changes can have at most: it does not run above that.
    """

    id: str
    doc: str
    phase: Phase
    triggers: tuple[str, ...]
    propose: Propose
    answers: frozenset[str] = frozenset()
    default: bool = True
    stability: Literal["preview", "stable"] = "preview"
    options: type | None = None
    excludes: frozenset[str] = frozenset()
    examples: tuple[Example, ...] = field(default=(), compare=False)
    highest: Safety = Safety.SAFE

    @property
    def title(self) -> str:
        """The first line of the documentation."""
        return self.doc.strip().partition("\n")[0]


def transform(
    *,
    phase: Phase,
    triggers: tuple[str, ...],
    answers: Iterable[str] = (),
    default: bool = True,
    stability: Literal["preview", "stable"] = "preview",
    options: type | None = None,
    excludes: Iterable[str] = (),
    examples: Iterable[Example] = (),
    highest: Safety = Safety.SAFE,
) -> Callable[[Propose], Transform]:
    """Make a transform of a function: the id is the file's name, the page its docstring."""

    def wrap(propose: Propose) -> Transform:
        import sys

        module = propose.__module__
        return Transform(
            id=module.rpartition(".")[2].replace("_", "-"),
            doc=sys.modules[module].__doc__ or "",
            phase=phase,
            triggers=triggers,
            propose=propose,
            answers=frozenset(answers),
            default=default,
            stability=stability,
            options=options,
            excludes=frozenset(excludes),
            examples=tuple(examples),
            highest=highest,
        )

    return wrap
