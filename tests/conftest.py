"""Which tests share a process, when there are several (`pytest -n auto`)."""

from pathlib import Path
from typing import Any

import pytest

_ENGINE = ("test_engine_", "test_distroless")  # they share a daemon, and count what is left there


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
            return "engine" if name.startswith(_ENGINE) else name

    config.option.loadscopereorder = False
    return ByFile(config, log)
