"""A fixture, built before and after on a real engine, is the same but for what was claimed."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from refactor.config import Config
from refactor.context import DiskContext
from refactor.engine import Changed, run
from refactor.model import Safety
from refactor.project import Site
from tests.engine import Engine, repairs, start

FIXTURE = Path(__file__).parent.parent / "fixtures" / "flask-naive"
ASK = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:5000/').read().decode())"
KEPT = ("Env", "Cmd", "Entrypoint", "ExposedPorts", "WorkingDir", "User", "Volumes", "OnBuild")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """A running engine; what is built is removed at the end."""
    found = start(("python:3.11-slim",))
    yield found
    for tag in ("dfr-test:before", "dfr-test:after"):
        found.docker("image", "rm", "--force", tag)


@pytest.fixture(scope="module")
def images(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Build the fixture before and after, everything on."""
    before, after = (tmp_path_factory.mktemp(name) for name in ("before", "after"))
    for folder in (before, after):
        shutil.copytree(FIXTURE, folder, dirs_exist_ok=True)
    config = Config(select=repairs(), level=Safety.RISKY)
    data = (FIXTURE / "Dockerfile").read_bytes()
    result = run("Dockerfile", data, config, Site(DiskContext(FIXTURE)))
    assert isinstance(result, Changed)
    (after / "Dockerfile").write_bytes(result.after)
    return engine.build("dfr-test:before", before), engine.build("dfr-test:after", after)


def test_the_configuration_is_kept(images: tuple[dict[str, Any], dict[str, Any]]) -> None:
    before, after = (image["Config"] for image in images)
    assert {key: before.get(key) for key in KEPT} == {key: after.get(key) for key in KEPT}
    assert after["Labels"] == {"org.opencontainers.image.authors": images[0]["Author"]}


def test_it_is_smaller_and_flatter(images: tuple[dict[str, Any], dict[str, Any]]) -> None:
    before, after = images
    layers = [len(image["RootFS"]["Layers"]) for image in images]
    print(f"size {before['Size']} -> {after['Size']} bytes, layers {layers[0]} -> {layers[1]}")
    assert after["Size"] < before["Size"] - 10_000_000
    assert layers[1] < layers[0]


@pytest.mark.parametrize("tag", ["before", "after"])
def test_it_answers(engine: Engine, images: tuple[Any, Any], tag: str) -> None:
    name = engine.docker("run", "--detach", "--rm", "--network=none", f"dfr-test:{tag}")
    try:
        assert _answer(engine, name) == "hello   world"
    finally:
        engine.docker("rm", "--force", name)


def _answer(engine: Engine, container: str) -> str:
    for _ in range(50):
        try:
            return engine.docker("exec", container, "python", "-c", ASK)
        except AssertionError:
            time.sleep(0.2)
    return engine.docker("logs", container)
