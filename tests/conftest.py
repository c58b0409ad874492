"""Which tests share a process, when there are several: `pytest -n auto --dist loadgroup`."""

import pytest

_ENGINE = ("test_engine_", "test_distroless")  # they share a daemon, and count what is left there


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of a file together, and those that need the container engine."""
    for item in items if config.pluginmanager.hasplugin("xdist") else ():
        name = item.path.stem
        group = "engine" if name.startswith(_ENGINE) else name
        item.add_marker(pytest.mark.xdist_group(group))
