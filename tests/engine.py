"""A container engine for tests: scripts in the folder DFR_ENGINE install and start one."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from refactor.model import Safety
from refactor.registry import entries


def repairs() -> tuple[str, ...]:
    """Return the transforms that need no build context, and are on by default."""
    found = entries()
    return tuple(e.id for e in found if e.highest is Safety.SAFE and e.default)


class Engine:
    """The docker client, with the environment that finds its daemon."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def docker(self, *words: str, timeout: float = 300) -> str:
        """Run the client and return what it prints; fail with what it complains about."""
        result = subprocess.run(
            ["docker", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert result.returncode == 0, f"docker {' '.join(words)}:\n{result.stderr[-3000:]}"
        return result.stdout.strip()

    def build(self, tag: str, context: Path) -> dict[str, Any]:
        """Build a context without cache and return the image's description."""
        self.docker("build", "--no-cache", "--network=host", "-q", "-t", tag, str(context))
        found: dict[str, Any] = json.loads(self.docker("inspect", tag))[0]
        return found


def start(images: tuple[str, ...]) -> Engine:
    """Return a running engine that has the images, or skip; fail in CI."""
    scripts = os.environ.get("DFR_ENGINE")
    if not scripts or not (Path(scripts) / "engine.sh").is_file():
        if os.environ.get("CI"):
            pytest.fail("DFR_ENGINE names no engine scripts, and in CI there must be some")
        pytest.skip("DFR_ENGINE names no engine scripts")
    folder = Path(scripts).resolve()
    if shutil.which("dockerd") is None:
        _run([folder / "install-engine.sh"])
    _run([folder / "engine.sh", "start"])
    exports = _run([folder / "engine.sh", "env"])
    path = os.environ["PATH"]
    environment = dict(os.environ)
    for name, value in re.findall(r"(\w+)=(\S+)", exports):
        environment[name] = value.replace("$PATH", path)
    engine = Engine(environment)
    have = engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    for image in images:
        if image not in have:
            _run([folder / "make-base-images.sh", image], environment)
    return engine


def _run(command: list[Path | str], environment: dict[str, str] | None = None) -> str:
    """Run one of the scripts, to files: a daemon that it leaves behind would hold a pipe open."""
    import tempfile

    with tempfile.TemporaryFile("w+") as out:
        result = subprocess.run(
            [str(word) for word in command], env=environment, stdout=out, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, timeout=1200,
        )  # fmt: skip
        out.seek(0)
        text = out.read()
    assert result.returncode == 0, f"{command}:\n{text[-3000:]}"
    return text
