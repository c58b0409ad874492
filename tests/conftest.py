"""Which tests share a process, when there are several (`pytest -n auto`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.corpus_runs import Record

_ENGINE = ("test_engine_", "test_distroless")  # they share a daemon, and count what is left there
_CORPUS = ("test_laws", "test_shell_rewrites")  # they share a run over the corpus


@pytest.fixture(scope="session")
def at_risky() -> list[Record]:
    """Run the corpus at level risky, with everything on."""
    from tests import corpus_runs

    return corpus_runs.at_risky()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the tests that need the engine: they take longest, one after the other."""
    items.sort(key=lambda item: not item.path.name.startswith(_ENGINE))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file together, and those that need the container engine.

    Not by `--dist loadgroup`: pytest 9.2 ignores the groups of pytest-xdist 3.8.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # no types
        def _split_scope(self, nodeid: str) -> str:
            name = Path(nodeid.split("::")[0]).name
            if name.startswith(_CORPUS):
                return "corpus"
            return "engine" if name.startswith(_ENGINE) else name

    config.option.loadscopereorder = False
    return ByFile(config, log)
