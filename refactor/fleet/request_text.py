"""What a pull request says: its title, and its body from a template."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from refactor.config import ConfigError
from refactor.decisions import Decisions
from refactor.fleet.campaign import Campaign
from refactor.fleet.commit_messages import without_skip
from refactor.fleet.records import Branch, Change, Plan
from refactor.report.markdown import block, code, prose

# Between these the body is ours; what people write around them stays.
BEGIN = "<!-- dfr: what is below is written anew -->"
END = "<!-- dfr: what is above is written anew -->"
MAX_BODY = 60_000  # characters; GitHub takes 65,536
_MAX_ROWS = 100
_MAX_TEMPLATE = 100_000
_FIELD = re.compile(r"\{(\w+)\}")

TEMPLATE = """\
{summary}

### What is changed, and why

{changes}

{assumptions}{proofs}{refusals}### If this is not wanted

{opt_out}
"""


class Words(NamedTuple):
    """The text of a request."""

    title: str
    body: str
    draft: bool


def words(campaign: Campaign, plan: Plan, branch: Branch, decisions: Decisions) -> Words:
    """Return what the request for a branch says; raise ConfigError if a template is no use."""
    made = accepted(plan, decisions)
    wanted = campaign.request.draft
    draft = any(change.level != "safe" for change in made) if wanted == "auto" else bool(wanted)
    return Words(_title(campaign, made), _body(campaign, plan, branch, made), draft)


def accepted(plan: Plan, decisions: Decisions) -> list[Change]:
    """Return the changes of a plan that were accepted, in their order."""
    keys = {
        (path, decision.site, decision.key)
        for path, decided in decisions.items()
        for decision in decided.decisions
        if decision.accept
    }
    return [c for file in plan.files for c in file.changes if (file.path, c.site, c.key) in keys]


def _title(campaign: Campaign, made: Sequence[Change]) -> str:
    names = list(dict.fromkeys(change.transform for change in made))
    shown = names[0] if len(names) == 1 else f"{len(names)} refactorings"
    title = campaign.request.title or "Dockerfiles: {transforms}"
    values = {"transforms": shown, "count": str(len(made)), "campaign": campaign.name}
    text = " ".join(_filled(title, values, "[request] title").split())
    if without_skip(text) != text:
        raise ConfigError("[request] title: it would keep CI from running, which is to say no")
    return text[:250]


def _filled(template: str, values: dict[str, str], where: str) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise ConfigError(
                f"{where}: there is no {match[0]}; there are: {', '.join(sorted(values))}"
            )
        return values[match[1]]

    return _FIELD.sub(value, template)


def _template(campaign: Campaign) -> str:
    name = campaign.request.body
    if not name:
        return TEMPLATE
    path = campaign.folder / name
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"[request] body: {path}: {error}") from None
    if len(text) > _MAX_TEMPLATE:
        raise ConfigError(f"[request] body: {path} is longer than {_MAX_TEMPLATE} characters")
    return text


def _body(campaign: Campaign, plan: Plan, branch: Branch, made: Sequence[Change]) -> str:
    template = _template(campaign)
    for rows in (_MAX_ROWS, 30, 10, 3):  # fewer rows, until the forge takes it
        values = {
            "campaign": code(campaign.name),
            "summary": _summary(made, branch),
            "changes": "\n".join(_limited(_changes(made), rows, len(made))),
            "assumptions": _section("What is assumed", list(_assumptions(made)), rows),
            "refusals": _section("What was left alone", list(_refusals(plan)), rows),
            "proofs": _proofs(campaign, plan),
            "opt_out": _opt_out(),
            "verify": _verify(made),
        }
        text = without_skip(_filled(template, values, "[request] body"))
        if len(text) <= MAX_BODY:
            return f"{BEGIN}\n{text.strip()}\n{END}\n"
    raise ConfigError(f"[request] body: longer than {MAX_BODY} characters, whatever is left out")


def _summary(made: Sequence[Change], branch: Branch) -> str:
    levels = Counter(change.level for change in made)
    names = [name for name in ("safe", "suggested", "risky") if levels[name]]
    shown = ", ".join(f"{levels[name]} {name}" for name in names)
    files, count = len(branch.files), len(made)
    return (
        f"This changes {files} file{'s' * (files != 1)}: {count} change{'s' * (count != 1)} "
        f"({shown}). Each was checked against a model of what the Dockerfile builds; bytes that no "
        "change touches stay as they are."
    )


def _changes(made: Sequence[Change]) -> Iterator[str]:
    for change in made:
        level = "" if change.level == "safe" else f" **{change.level}**"
        place = code(f"{change.path}:{change.line}")
        yield f"- {place}{level} {code(change.transform)}: {prose(change.reason)}"


def _assumptions(made: Sequence[Change]) -> Iterator[str]:
    counts = Counter(sentence for change in made for sentence in change.assumes)
    for sentence, count in counts.most_common():
        yield f"- [ ] {prose(sentence)}{f' ({count} times)' if count > 1 else ''}"


def _refusals(plan: Plan) -> Iterator[str]:
    for file in plan.files:
        if file.status in ("refused", "failed"):
            yield f"- {code(file.path)}: {prose(file.reason)}"
        for remark in file.remarks:
            if remark.kind == "refusal":
                unlock = f" {prose(remark.unlock)}" if remark.unlock else ""
                place = code(f"{remark.path}:{remark.line}")
                yield f"- {place} {code(remark.transform)}: {prose(remark.reason)}{unlock}"


def _section(title: str, rows: Sequence[str], most: int) -> str:
    if not rows:
        return ""
    return "\n".join([f"### {title}\n", *_limited(iter(rows), most, len(rows))]) + "\n\n"


def _limited(rows: Iterator[str], most: int, total: int) -> Iterator[str]:
    yield from islice(rows, most)
    if total > most:
        yield f"- and {total - most} more"


def _proofs(campaign: Campaign, plan: Plan) -> str:
    """Return what real builds showed, where `dfr prove` left its report in the results."""
    path = campaign.result(plan.repository) / "proof.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            f"- {code(one['path'])}: **{prose(one['verdict'])}**: {prose(one['reason'])}"
            for one in found["proofs"]
        ]
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: is no report of `dfr prove`: {type(error).__name__}") from None
    return _section("What real builds showed", rows, _MAX_ROWS)


def _verify(made: Sequence[Change]) -> str:
    names = ",".join(dict.fromkeys(change.transform for change in made))
    levels = {change.level for change in made}
    level = next(one for one in ("risky", "suggested", "safe") if one in levels or one == "safe")
    return block([f"dfr fix --check --level {level} --select {names} ."], "sh")


def _opt_out() -> str:
    settings = block(["[fleet]", "enabled = false"], "toml")
    return (
        "Close this: it is not opened again. To keep this repository out of all such campaigns, "
        f"put this into {code('.dockerfile-refactor.toml')} at its top:\n\n{settings}"
    )


def joined(body: str, old: str) -> str:
    """Return a body with our part anew, and all that others wrote around it.

    A body that has our part no more is theirs.
    """
    begin, end = old.find(BEGIN), old.find(END)
    if begin < 0 or end < begin:
        return old or body
    return old[:begin] + body.rstrip("\n") + old[end + len(END) :]
