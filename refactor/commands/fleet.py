"""`dfr fleet`: a campaign over many repositories; each phase is loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

_LATER = {
    "init": "fleet_init",
    "plan": "fleet_plan",
    "review": "fleet_review",
    "apply": "fleet_apply",
    "publish": "fleet_requests",
    "status": "fleet_requests",
    "refresh": "fleet_requests",
    "rollback": "fleet_requests",
    "report": "fleet_report",
}

HELP = """Refactor the Dockerfiles of many repositories: a campaign, phase by phase.

A campaign is a folder: campaign.toml says which repositories, which transforms and how far;
ledger.sqlite holds what became of each. Every phase can be stopped and started again: what was done
is not done twice. Nothing of a repository is executed.

\b
  dfr fleet init slim --list repositories.txt --level suggested
  dfr fleet plan slim
  dfr fleet review slim
  dfr fleet apply slim --pilot 5%
  dfr fleet publish slim --limit 10
  dfr fleet status slim
"""


class _Phases(TyperGroup):
    """The phases, in order."""

    def list_commands(self, context: Any) -> list[str]:
        """Return the names."""
        return list(_LATER)

    def get_command(self, context: Any, name: str) -> Any:
        """Return a phase by its name."""
        if name not in _LATER:
            return None
        group = typer.main.get_group(import_module(f"refactor.commands.{_LATER[name]}").app)
        return group.commands[name]


fleet = typer.Typer(cls=_Phases, help=HELP, no_args_is_help=True, rich_markup_mode=None)


@fleet.callback()
def _phases() -> None: ...


app = typer.Typer(rich_markup_mode=None)
app.add_typer(fleet, name="fleet", help=HELP)


@app.callback()
def _group() -> None: ...
