"""The services of a compose file, hardened, do the same on a real engine.

There is no compose on it, so each setting of a service is given to the engine as the option of the
same meaning. Kubernetes manifests are not run anywhere: their text is all that is tested.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from refactor.cli import app
from tests.engine import Engine, start

FIXTURE = Path(__file__).parent.parent / "fixtures" / "compose-services"
IMAGES = ("debian:bookworm-slim", "nginx:1.27", "python:3.11-slim")
PROBE = """
from urllib.request import urlopen
print(urlopen("http://127.0.0.1/", timeout=5).read().decode())
"""
KILLED = 137  # 128 + SIGKILL
NEW = frozenset({"cap_drop", "cap_add", "security_opt", "read_only", "tmpfs", "init"})
# What nginx needs to bind its port and to become another user, by the bits of capabilities(7).
NGINX = {"CHOWN": 0, "SETGID": 6, "SETUID": 7, "NET_BIND_SERVICE": 10}


class Shop(NamedTuple):
    """One state of the fixture: its services, its images, and its containers by service."""

    services: dict[str, Any]
    tags: dict[str, str]
    running: dict[str, str]


@pytest.fixture(scope="module")
def engine() -> Engine:
    """A running engine that has the images."""
    return start(IMAGES)


@pytest.fixture(scope="module")
def shops(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, Shop]]:
    """The fixture before and after, built and started."""
    folder = tmp_path_factory.mktemp("shops")
    made: list[Shop] = []
    try:
        for name in ("before", "after"):
            shutil.copytree(FIXTURE, folder / name)
            (folder / name / ".git").mkdir()
            if name == "after":
                command = ["fix", "--level", "risky", "--select", "all", "--jobs", "1"]
                assert CliRunner().invoke(app, [*command, str(folder / name)]).exit_code == 0
            made.append(_opened(engine, folder / name))
        yield made[0], made[1]
    finally:
        for shop in made:
            engine.docker("rm", "--force", "--volumes", *shop.running.values())
            engine.docker("rmi", "--force", *shop.tags.values())


def _opened(engine: Engine, folder: Path) -> Shop:
    """Build the images of a shop, and start its containers."""
    services = YAML(typ="safe").load(folder / "compose.yaml")["services"]
    tags = {name: f"dfr-shop-{uuid4().hex[:12]}:{name}" for name in ("web", "proxy", "report")}
    shop = Shop(services, tags, {})
    report = folder / "report"
    report.mkdir()
    inline = services["report"]["build"]["dockerfile_inline"].replace("$$", "$")
    (report / "Dockerfile").write_text(inline, encoding="utf-8")
    for name, tag in tags.items():
        engine.build(tag, folder / name)
    web = _started(engine, shop, "web", "--network=none", "--add-host=web:127.0.0.1")
    _started(engine, shop, "proxy", f"--network=container:{web}")
    return shop


def _started(engine: Engine, shop: Shop, name: str, *options: str) -> str:
    """Start the container of a service as the compose file says it; return its id."""
    found = engine.docker(
        "run", "--detach", *options, *_options(shop.services[name]), shop.tags[name]
    )
    shop.running[name] = found
    return found


def _options(service: dict[str, Any]) -> Iterator[str]:
    """Yield the engine's options of what a service says."""
    for key in ("cap_drop", "cap_add", "security_opt", "tmpfs"):
        yield from (f"--{key.replace('_', '-')}={value}" for value in service.get(key, ()))
    for key, option in (("read_only", "--read-only"), ("init", "--init")):
        if service.get(key):
            yield option
    for volume in service.get("volumes", ()):
        yield f"--volume={volume.partition(':')[2]}"  # a volume of its own, without a name


def _ask(engine: Engine, shop: Shop) -> str:
    """Return what the proxy answers."""
    pid = engine.docker("inspect", "--format={{.State.Pid}}", shop.running["web"])
    command = ["nsenter", f"--target={pid}", "--net", sys.executable, "-I", "-c", PROBE]
    deadline = time.monotonic() + 60
    while True:
        asked = subprocess.run(command, capture_output=True, text=True)
        if asked.returncode == 0:
            return asked.stdout.strip()
        if time.monotonic() > deadline:
            pytest.fail(asked.stderr + engine.docker("logs", shop.running["proxy"]))
        time.sleep(0.2)


def _status(engine: Engine, shop: Shop, name: str) -> dict[str, str]:
    """Return what the kernel says of a container's first process."""
    pid = engine.docker("inspect", "--format={{.State.Pid}}", shop.running[name])
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def test_only_what_is_declared_is_another_setting(shops: tuple[Shop, Shop]) -> None:
    before, after = (shop.services for shop in shops)
    kept = {name: {k: v for k, v in one.items() if k not in NEW} for name, one in after.items()}
    kept["report"] = before["report"]  # its Dockerfile stands in it
    assert kept == before
    assert {name for name in after if after[name].keys() & NEW} == {"web", "proxy"}


def test_they_answer_the_same(engine: Engine, shops: tuple[Shop, Shop]) -> None:
    answers = [[_ask(engine, shop) for _ in range(2)] for shop in shops]
    assert answers == [["1", "2"], ["1", "2"]]


def test_they_have_fewer_rights(engine: Engine, shops: tuple[Shop, Shop]) -> None:
    before, after = shops
    assert int(_status(engine, before, "web")["CapBnd"], 16) > sum(1 << n for n in NGINX.values())
    assert _status(engine, before, "web")["NoNewPrivs"] == "0"
    for name, rights in (("web", 0), ("proxy", sum(1 << n for n in NGINX.values()))):
        assert int(_status(engine, after, name)["CapBnd"], 16) == rights
        assert _status(engine, after, name)["NoNewPrivs"] == "1"


def test_what_breaks_in_can_change_no_program(engine: Engine, shops: tuple[Shop, Shop]) -> None:
    write = ["sh", "-c", "echo 1 >> /app/app.py; echo $?; echo 1 > /tmp/a; echo $?"]
    said = [engine.docker("exec", "--user=0", shop.running["web"], *write) for shop in shops]
    assert [text.split() for text in said] == [["0", "0"], ["2", "0"]]


def test_the_dockerfile_in_the_file_does_the_same(engine: Engine, shops: tuple[Shop, Shop]) -> None:
    command = ["sh", "-c", "echo $JQ_VERSION; curl --version; ls /var/lib/apt/lists"]
    said = [engine.docker("run", "--rm", shop.tags["report"], *command) for shop in shops]
    assert said[0].startswith("1.7.1\ncurl ")
    assert said[0].startswith(said[1])


def test_an_init_lets_it_stop(engine: Engine, shops: tuple[Shop, Shop]) -> None:
    codes = []
    for shop in shops:
        engine.docker("stop", "--time=3", shop.running["web"])
        inspect = ["inspect", "--format={{.State.ExitCode}}", shop.running["web"]]
        codes.append(int(engine.docker(*inspect)))
    assert codes == [KILLED, 143]  # 128 + SIGTERM
