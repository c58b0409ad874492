"""Repairs, flags and cleanups of a Debian image, built before and after on a real engine."""

import json
import shutil
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

FIXTURE = Path(__file__).parent.parent / "fixtures" / "debian-tools"
KEPT = ("Cmd", "Entrypoint", "ExposedPorts", "WorkingDir", "User", "Volumes", "OnBuild", "Labels")
CHOSEN = {"before": (), "after": repairs(), "mounted": ("mount-package-caches",)}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """A running engine; what is built is removed at the end."""
    found = start(("debian:bookworm-slim",))
    yield found
    for name in CHOSEN:
        found.docker("image", "rm", "--force", f"dfr-repairs:{name}")


@pytest.fixture(scope="module")
def images(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Build the fixture as it is, with everything on, and with cache mounts."""
    found = {}
    for name, chosen in CHOSEN.items():
        folder = tmp_path_factory.mktemp(name)
        shutil.copytree(FIXTURE, folder, dirs_exist_ok=True)
        text = (FIXTURE / "Dockerfile").read_bytes()
        if name == "mounted":  # a mount needs the update beside the install
            text = text.replace(
                b"RUN apt-get update\nRUN apt-get", b"RUN apt-get update && apt-get"
            )
        if chosen:
            config = Config(select=chosen, level=Safety.RISKY)
            result = run("Dockerfile", text, config, Site(DiskContext(FIXTURE)))
            assert isinstance(result, Changed)
            text = result.after
        (folder / "Dockerfile").write_bytes(text)
        found[name] = engine.build(f"dfr-repairs:{name}", folder)
    return found


def test_only_what_is_declared_differs(images: dict[str, dict[str, Any]]) -> None:
    before, after = images["before"]["Config"], images["after"]["Config"]
    assert {key: before.get(key) for key in KEPT} == {key: after.get(key) for key in KEPT}
    assert (before["StopSignal"], after["StopSignal"]) == ("15", "SIGTERM")
    assert set(before["Env"]) - set(after["Env"]) == {"DEBIAN_FRONTEND=noninteractive"}
    assert set(after["Env"]) <= set(before["Env"])


@pytest.mark.parametrize("name", CHOSEN)
def test_it_says_the_same(engine: Engine, images: dict[str, Any], name: str) -> None:
    assert name in images
    said = engine.docker("run", "--rm", "--network=none", f"dfr-repairs:{name}")
    assert said == "hello from /srv/night, 09"


@pytest.mark.parametrize(("name", "kept"), [("before", True), ("after", False), ("mounted", False)])
def test_the_lists_are_in_no_layer(
    engine: Engine, images: dict[str, dict[str, Any]], name: str, kept: bool
) -> None:
    tag = f"dfr-repairs:{name}"
    there = engine.docker("run", "--rm", "--network=none", tag, "ls", "/var/lib/apt/lists")
    assert bool(set(there.split()) - {"lock", "partial", "auxfiles"}) is kept
    sizes = json.dumps({key: value["Size"] for key, value in images.items()})
    print(f"{name}: {sizes}")
    assert kept or images[name]["Size"] < images["before"]["Size"] - 10_000_000
