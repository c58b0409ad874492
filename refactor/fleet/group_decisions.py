"""What is decided on the changes of a plan (a placeholder until the groups are merged)."""

from __future__ import annotations

from refactor.decisions import Decided, Decision
from refactor.fleet.campaign import Campaign
from refactor.fleet.ledger import Ledger
from refactor.fleet.records import Plan


def decisions_for(ledger: Ledger, plan: Plan, campaign: Campaign) -> dict[str, Decided]:
    """Return the decisions on a repository's files, by their paths."""
    accepted = {ruling.subject for ruling in ledger.decisions() if ruling.decision == "accept"}
    return {
        file.path: Decided(
            file.before,
            tuple(
                Decision(True, c.transform, c.site, c.key, c.reason)
                for c in file.changes
                if c.exact in accepted or (campaign.review.accept == c.level == "safe")
            ),
        )
        for file in plan.files
    }
