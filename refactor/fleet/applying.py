"""A plan and decisions -> a branch: commits made of streams, the same ones each time."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from refactor.compose import Outcome, Step
from refactor.context import Context, Overlay
from refactor.decisions import Decided, Decisions, Recall
from refactor.engine import Failed, Refused
from refactor.fleet.campaign import Commits
from refactor.fleet.clones import Clone, at
from refactor.fleet.commit_messages import Made, message
from refactor.fleet.git import GitError, git, without_user
from refactor.fleet.planning import Passed, Settings, ready, worked
from refactor.fleet.records import Branch, Commit, Plan, Repository
from refactor.fleet.trees import GitTree
from refactor.patch import unified
from refactor.source import MAX_BYTES, decode, encode

Order = tuple[int, int, str]


class Job(NamedTuple):
    """One repository to make commits in, and what was decided on its files by their paths."""

    repository: Repository
    plan: Plan
    decisions: Decisions
    settings: Settings
    commits: Commits
    branch: str
    decided: str = ""


class Applied(NamedTuple):
    """The record of a branch, the bundle of its commits, and their difference."""

    branch: Branch
    bundle: bytes = b""
    patch: str = ""


@dataclass
class _Fold:
    """What was accepted of all files, in the order in which the commits make it.

    `states` are by path the texts after each step that writes the path, latest file last.
    """

    steps: list[tuple[Order, str, Step]] = field(default_factory=list)
    states: list[tuple[Order, int, Mapping[str, str]]] = field(default_factory=list)
    unmade: int = 0


def applied(job: Job) -> Applied:
    """Make the branch of a repository; whatever goes wrong becomes a branch that failed."""
    start = time.monotonic()
    found = Branch(
        job.repository.id, "failed", name=job.branch, base=job.plan.base, decided=job.decided
    )
    tree, bundle, patch = None, b"", ""
    try:
        clone = at(job.repository, job.plan.base, job.settings.room)
        tree = GitTree(
            job.repository, clone.folder, job.plan.base, job.settings.room, job.settings.files
        )
        tree.fetch_usual()
        fold = _folded(job, tree)
        found, patch = _committed(job, clone, tree, fold, found)
        if found.state == "made":
            bundle = _bundle(job, clone, found)
    except (GitError, OSError, RecursionError, ValueError) as error:
        found = found._replace(state="failed", reason=without_user(str(error)))
    finally:
        if tree is not None:
            tree.close()
    return Applied(found._replace(seconds=round(time.monotonic() - start, 3)), bundle, patch)


def _folded(job: Job, tree: Context) -> _Fold:
    """Make what was accepted, file by file: each sees what those before it wrote beside them."""
    fold = _Fold()
    work, _ = ready(tree, job.settings.config)
    planned = {file.path: file for file in job.plan.files}
    written: dict[str, bytes] = {}
    for number, one in enumerate(() if isinstance(work, Passed) else work):
        decided = job.decisions.get(one.path, Decided())
        if not any(decision.accept for decision in decided.decisions):
            continue
        if sha256(one.data).hexdigest() != planned[one.path].before:
            raise GitError(f"{one.path} is not what was planned for: plan again")
        recall = Recall(decided)
        result, outcome = worked(one, Overlay(tree, written) if written else tree, recall)
        if isinstance(result, Failed | Refused) or outcome is None:
            raise GitError(f"{one.path}: {getattr(result, 'reason', 'nothing came of it')}")
        made = {step.identity.site for step in outcome.steps if step.identity}
        fold.unmade += sum(d.accept and d.site not in made for d in decided.decisions)
        _add(fold, one.path, number, outcome)
        written |= {path: encode(text) for path, text in outcome.snapshot.files.items()}
    fold.steps.sort(key=lambda item: item[0])
    return fold


def _add(fold: _Fold, path: str, number: int, outcome: Outcome) -> None:
    """Add a file's steps; a transform that fires again behind a later one begins a round."""
    turn, last = 0, (0, "")
    for index, step in enumerate(outcome.steps):
        rank = (int(step.transform.phase), step.transform.id)
        turn += rank < last
        last = rank
        order = (turn, *rank)
        state = outcome.state(index + 1)
        fold.steps.append((order, path, step))
        fold.states.append((order, number, {**state.files, path: state.text}))


def _committed(
    job: Job, clone: Clone, tree: GitTree, fold: _Fold, found: Branch
) -> tuple[Branch, str]:
    """Write the commits, all or none; return the branch's record, and the whole difference."""
    before: dict[str, str | None] = {}
    for _, _, texts in fold.states:
        for path in texts:
            is_there = path not in before and tree.kind(path) == "file"
            before.setdefault(path, decode(tree.head(path, MAX_BYTES)) if is_there else None)
    now = dict(before)
    stream, commits = [f"reset {_ref(job)}\nfrom {job.plan.base}\n\n".encode()], []
    for orders in _grouped(fold, job.commits.each):
        last = orders[-1]
        texts = _texts(fold, last)
        new = {path: text for path, text in texts.items() if now.get(path) != text}
        if not new:
            continue
        now |= new
        made = [Made(path, step) for order, path, step in fold.steps if order in orders]
        commits.append(made)
        stream += _commit(job, tree, len(commits), message(made, job.commits, job.branch), new)
    changed = tuple(sorted(path for path in now if now[path] != before[path]))
    reason = f"accepted, and not proposed any more: {fold.unmade}" if fold.unmade else ""
    if not changed:
        return found._replace(state="nothing", reason=reason), ""
    stream += [f"get-mark :{mark}\n".encode() for mark in range(1, len(commits) + 1)]
    printed = git(
        "fast-import", "--quiet", "--force", "--done", folder=clone.folder,
        input=b"".join(stream) + b"done\n", bounds=job.settings.room.bounds,
    )  # fmt: skip
    ids = printed.decode().split()
    records = tuple(
        Commit(name, tuple(dict.fromkeys(one.step.transform.id for one in made)), len(made))
        for name, made in zip(ids, commits, strict=True)
    )
    patch = "".join(row for p in changed for row in unified(p, before[p], now[p] or ""))
    made_branch = found._replace(
        state="made", reason=reason, head=ids[-1], commits=records, files=changed
    )
    return made_branch, patch


def _grouped(fold: _Fold, each: str) -> Iterator[list[Order]]:
    """Yield what goes into a commit each."""
    orders = list(dict.fromkeys(order for order, _, _ in fold.steps))
    if each == "one":
        yield from [orders] if orders else []
    else:
        yield from ([order] for order in orders)


def _texts(fold: _Fold, last: Order) -> dict[str, str]:
    """Return the texts of all files after the steps up to one; of two writers the later holds."""
    found: dict[str, str] = {}
    for _, _, texts in sorted(
        (state for state in fold.states if state[0] <= last), key=lambda state: (state[1], state[0])
    ):
        found |= texts
    return found


def _commit(
    job: Job, tree: GitTree, mark: int, words: str, files: Mapping[str, str]
) -> Iterable[bytes]:
    """Return a commit for `git fast-import`."""
    author = job.commits.author
    said = words.encode()
    yield f"commit {_ref(job)}\nmark :{mark}\n".encode()
    yield f"author {author} {job.plan.date}\ncommitter {author} {job.plan.date}\n".encode()
    yield b"data %d\n%s\n" % (len(said), said)
    for path, text in sorted(files.items()):
        data = encode(text)
        mode = "100755" if tree.is_program(path) else "100644"
        yield f"M {mode} inline {_quoted(path)}\n".encode()
        yield b"data %d\n%s\n" % (len(data), data)
    yield b"\n"


def _quoted(path: str) -> str:
    """Return a path in quotes, as git reads it."""
    return '"' + re.sub(r'[\\"]', r"\\\g<0>", path).replace("\n", "\\n") + '"'


def _ref(job: Job) -> str:
    return f"refs/heads/{job.branch}"


def _bundle(job: Job, clone: Clone, branch: Branch) -> bytes:
    """Return the commits as a file that git fetches from."""
    with tempfile.TemporaryDirectory(prefix="dfr-") as folder:
        path = Path(folder, "bundle")
        # Without a window no difference to a file that the clone lacks is looked for.
        git(
            "-c", "pack.window=0", "-c", "pack.threads=1", "bundle", "create", "-q", str(path),
            f"^{branch.base}", _ref(job), folder=clone.folder, bounds=job.settings.room.bounds,
        )  # fmt: skip
        return path.read_bytes()
