"""`dfr fleet review`: asks for each group of equal changes, or takes a file of decisions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from refactor.commands import fleet_session as given
from refactor.commands import options
from refactor.commands.screen import Screen, needs_terminal
from refactor.fleet.campaign import Campaign
from refactor.fleet.group_decisions import document, judged, read, record, recorded
from refactor.fleet.ledger import Ledger
from refactor.fleet.reviewing import MANY, Group, Question, Review, Sample, repositories
from refactor.registry import entries
from refactor.report import text

HELP = """Decide on the planned changes: equal ones are one question, in however many repositories.

The largest groups come first. A shape group holds changes that differ only in packages, paths,
versions or names: it is accepted after five of them were shown. Risky changes are asked for in each
repository. Answers are kept in decisions.json as they are given. With --decisions nothing is asked:
what the files say is taken.

\b
  dfr fleet review slim
  dfr fleet review slim --only 'github.com/acme/web-*' --limit 20
  dfr fleet review slim --decisions decisions.json
"""
KEYS = """\
y  accept the group                    s  show ten of its changes
n  decline the group                   l  list its repositories
r  decide for one repository           o  one by one: its exact groups
x  explain the transform               u  undo the last answer
q  quit; answers are kept              ?  help
"""
FILE = "decisions.json"
_LISTED = 40

app = typer.Typer(rich_markup_mode=None)


@app.callback()
def _group() -> None: ...


@app.command(help=HELP)
def review(
    folder: given.Folder,
    decisions: Annotated[
        list[Path] | None,
        typer.Option("--decisions", help="Take these decisions; of several the later one holds."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Ask for what the campaign accepts unseen, too.")
    ] = False,
    dry_run: given.DryRun = False,
    limit: Annotated[int, typer.Option("--limit", help="At most so many groups, the largest.")] = 0,
    only: Annotated[
        str, typer.Option("--only", help="Groups that repositories of this pattern have.")
    ] = "",
    quiet: given.Quiet = False,
) -> None:
    """Review."""
    if not decisions and not dry_run:
        needs_terminal("dfr fleet review", "--decisions FILE")
    with given.session(folder, quiet, dry_run) as session:
        campaign, ledger = session.campaign, session.ledger
        own = campaign.folder / FILE
        for path in [*([own] if own.exists() else []), *(decisions or [])]:
            taken, said = judged(ledger, read(path))
            for sentence in said:
                session.say(sentence, always=True)
            if not dry_run:
                record(ledger, taken)
        passed = campaign.review.accept == "safe" and not every
        found = Review(ledger, frozenset({"safe"} if passed else ()), only, limit)
        if not decisions and not dry_run:
            _ask(found, campaign)
        if not dry_run:
            save(campaign, ledger)
        left = found.left()
        changes = sum(group.changes for group in left)
        session.log("review", groups=len(left), changes=changes)
        session.say(f"review: {len(left):,} groups ({changes:,} changes) are not decided")
        raise typer.Exit(options.PENDING if left else options.DONE)


def _ask(found: Review, campaign: Campaign) -> None:
    try:
        _Screen(found, campaign).run()
    except KeyboardInterrupt:
        save(campaign, found.ledger)
        options.say("\ndfr: interrupted: your answers are kept\n")
        raise typer.Exit(130) from None


def save(campaign: Campaign, ledger: Ledger) -> None:
    """Write all decisions of a ledger into the campaign's file."""
    written = document(recorded(ledger), campaign.name, options.version())
    options.put(campaign.folder / FILE, written.encode())


class _Screen(Screen):
    """Shows groups and takes answers."""

    def __init__(self, review: Review, campaign: Campaign) -> None:
        super().__init__()
        self.review = review
        self.campaign = campaign
        self.quitting = False
        self.docs = {entry.id: entry for entry in entries()}

    def run(self) -> None:
        """Ask until all is decided, or the person quits."""
        while not self.quitting and (question := self.review.question()):
            save(self.campaign, self.review.ledger)
            self.show(question)
            prompt = f"{_named(question.group)}: accept? [y n s l r o x u q ?] "
            while not self.handled(question.group, self.key(prompt)):
                pass

    def handled(self, group: Group, key: str) -> bool:
        """Act on a key; return whether the question is done with."""
        if key in ("q", "\x04"):
            self.quitting = True
            return True
        if key == "y":
            return self.accepted(group)
        if key == "n":
            self.review.answer(group, False)
            return True
        if key == "o":
            return self.opened(group)
        if key == "u":
            return self.undone()
        self.told(group, key)
        return False

    def told(self, group: Group, key: str) -> None:
        """Act on a key after which the question is asked again."""
        if key == "s":
            self.more(group, MANY)
        elif key == "l":
            self.listed(group)
        elif key == "r":
            self.exception(group)
        elif key == "x" and group.transform in self.docs:
            self.document(self.docs[group.transform].transform.doc)
        else:
            self.write(KEYS)

    def show(self, question: Question) -> None:
        """Show a group: what, why, how many, and one of its changes."""
        group, decided, total = question
        here = f"({decided:,} of {total:,} changes decided)"
        self.write("\n" + self.bold(f"{_named(group)}  {here}") + "\n")
        self.say(f"{group.counts}: {group.why}")
        if group.kind == "shape":
            self.say(
                f"{group.exacts:,} exact groups, alike but for packages, paths, versions or names: "
                f"`y` shows {group.wanted} changes first"
            )
        self.more(group, 1)

    def more(self, group: Group, count: int) -> None:
        """Show changes that were not shown yet."""
        found = self.review.samples(group, count)
        for sample in found:
            self.sample(sample)
        if not found:
            self.say("all of them were shown")

    def sample(self, sample: Sample) -> None:
        """Show one change: where, its assumptions, and the difference that it alone makes."""
        repository, change = sample
        place = f"{repository}: {change.path}:{change.line}"
        self.write(self.bold(text.flat(place)) + "\n")
        for sentence in change.assumes:
            self.say(f"assumes: {sentence}", "  ")
        rows = change.diff.splitlines(keepends=True)
        self.write("".join(text.numbered(rows, self.colour, self.width)))

    def accepted(self, group: Group) -> bool:
        """Accept a group, if enough of it was shown."""
        if missing := self.review.missing(group):
            self.say(f"{missing} more of them first:")
            self.more(group, missing)
            return False
        self.review.answer(group, True)
        return True

    def opened(self, group: Group) -> bool:
        """Go on with the exact groups of a shape group."""
        if group.kind == "exact":
            self.say("it is an exact group already: its changes do the same to the same commands")
            return False
        self.review.open(group)
        return True

    def undone(self) -> bool:
        """Take the last answer back."""
        ruling = self.review.undo()
        if ruling is None:
            self.say("nothing to undo")
            return False
        where = f" in {ruling.repository}" if ruling.repository else ""
        self.say(f"undone: {ruling.decision}{where}: {ruling.reason}")
        return True

    def listed(self, group: Group) -> list[str]:
        """List the repositories of a group, numbered."""
        if group.repository:
            self.say(group.repository)
            return [group.repository]
        found = list(repositories(self.review.ledger, group))
        for number, (name, count) in enumerate(found[:_LISTED], 1):
            ruling = self.review.rules.get((group.kind, group.subject, name))
            said = f"  {ruling.decision}" if ruling else ""
            self.say(f"{number:3}  {name}  {count}{said}")
        if len(found) > _LISTED:
            self.say(f"and {len(found) - _LISTED:,} more")
        return [name for name, _ in found]

    def exception(self, group: Group) -> None:
        """Take an answer for one repository, which wins over that for the group."""
        names = self.listed(group)
        name = self.chosen(names)
        if name is None:
            self.say("no repository of the group")
            return
        if group.level == "risky":
            self.say("risky changes are asked for in each repository anyway")
            return
        key = self.key(f"in {text.flat(name)}: accept? [y n] ")
        if key in ("y", "n"):
            self.review.answer(group, key == "y", name)
            word = "accepted" if key == "y" else "declined"
            self.say(f"{word} in {name}, whatever is said of the group")

    def chosen(self, names: list[str]) -> str | None:
        """Ask for a repository by its number or name."""
        self.write(self.bold("repository (number or name): "))
        typed = self.line()
        if re.fullmatch(r"\d{1,6}", typed) and 0 < int(typed) <= len(names):
            return names[int(typed) - 1]
        return typed if typed in names else None


def _named(group: Group) -> str:
    where = f" in {group.repository}" if group.repository else ""
    return text.flat(f"{group.transform} ({group.level}){where}")
