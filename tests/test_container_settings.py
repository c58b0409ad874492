"""Compose services and Kubernetes containers get less, and only where that is known to do."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from itertools import combinations
from pathlib import Path, PurePath

import pytest
from typer.testing import CliRunner

from refactor.cli import app
from refactor.compose import attempt
from refactor.config import Config
from refactor.context import MemoryContext
from refactor.effects.hardening import KINDS
from refactor.engine import Changed, Result, Unchanged, run
from refactor.facts.container_settings import changes
from refactor.knowledge import table
from refactor.model import Change, Claim, Effect, FileEdits, Refusal, Safety
from refactor.project import Site
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span
from refactor.syntax import parse

APP = 'FROM python:3.12-slim\nCOPY app.py /\nUSER 1001\nEXPOSE 8000\nCMD ["python", "/app.py"]\n'
WEB = "services:\n  web:\n    build: .\n"
POD = (
    "kind: Deployment\napiVersion: apps/v1\nspec:\n  template:\n    spec:\n      containers:\n"
    "        - name: web\n          image: acme/web\n"
)
BUILT = {"build.sh": "docker build -t acme/web .\n"}
DATA = Path(__file__).parent / "data"
ALL = (
    "drop-capabilities", "forbid-new-privileges", "make-root-read-only", "require-non-root",
    "set-seccomp-profile", "start-init",
)  # fmt: skip


def snapshot(files: dict[str, str], text: str = APP, place: str = "Dockerfile") -> Snapshot:
    """Return a Dockerfile in a repository of files."""
    tree = MemoryContext({"app.py": b"", **{path: data.encode() for path, data in files.items()}})
    home = place.rpartition("/")[0]
    return Snapshot(PurePath(place), text, parse(text), tree, home=home, place=place)


def found(kind: str, files: dict[str, str], text: str = APP) -> list[str]:
    """Return what is proposed for a kind: the footprints of changes, the codes of refusals."""
    result = []
    for finding in changes(snapshot(files, text), kind):
        if isinstance(finding, Refusal):
            result.append(finding.code)
        else:
            words = finding.claims[0].footprint
            result += sorted(word for word in words if word.startswith("+"))
    return result


def reason(kind: str, files: dict[str, str], text: str = APP) -> str:
    """Return the reason of the one refusal."""
    (finding,) = changes(snapshot(files, text), kind)
    assert isinstance(finding, Refusal)
    return f"{finding.code} {finding.reason}"


def look(files: dict[str, str], text: str = APP, level: Safety = Safety.RISKY) -> Result:
    """Run all transforms of settings on a repository."""
    tree = MemoryContext({"app.py": b"", **{path: data.encode() for path, data in files.items()}})
    config = Config(select=ALL, level=level)
    return run("Dockerfile", text.encode(), config, Site(tree, "Dockerfile", ""))


def test_a_service_gets_all_that_it_can() -> None:
    result = look({"compose.yaml": f"# ours\r\n{WEB}".replace("\n", "\r\n").replace("\r\r", "\r")})
    assert isinstance(result, Changed)
    assert result.before == result.after
    assert result.others[0].after.decode() == (
        "# ours\r\nservices:\r\n  web:\r\n    build: .\r\n    cap_drop:\r\n      - ALL\r\n"
        "    security_opt:\r\n      - no-new-privileges:true\r\n    read_only: true\r\n"
        "    tmpfs:\r\n      - /tmp\r\n    init: true\r\n"
    )
    assert {r.kind for r in result.remarks} == {"change"}
    assert {r.level for r in result.remarks} == {"suggested", "risky"}


def test_a_container_gets_all_that_it_can() -> None:
    pod = POD + "          volumeMounts:\n            - {name: t, mountPath: /tmp}\n"
    result = look({"deploy.yaml": pod, **BUILT})
    assert isinstance(result, Changed)
    assert result.others[0].after.decode() == pod + (
        "          securityContext:\n            capabilities:\n              drop:\n"
        "                - ALL\n            allowPrivilegeEscalation: false\n"
        "            readOnlyRootFilesystem: true\n            runAsNonRoot: true\n"
        "            seccompProfile:\n              type: RuntimeDefault\n"
    )
    assert [r.kind for r in result.remarks] == ["change"] * 5


def test_what_is_hardened_already_is_left_alone() -> None:
    done = f"{WEB}    cap_drop: [ALL]\n    security_opt: ['no-new-privileges']\n    init: true\n"
    done += "    read_only: true\n    tmpfs: /tmp\n"
    context = (
        "          securityContext: {capabilities: {drop: [all]}, runAsNonRoot: true,\n"
        "            allowPrivilegeEscalation: false, readOnlyRootFilesystem: true,\n"
        "            seccompProfile: {type: RuntimeDefault}}\n"
        "          volumeMounts: [{name: t, mountPath: /tmp}]\n"
    )
    result = look({"compose.yaml": done, "deploy.yaml": POD + context, **BUILT})
    assert isinstance(result, Unchanged)
    assert result.remarks == ()


def test_nothing_is_ever_safe() -> None:
    assert isinstance(
        look({"compose.yaml": WEB, "d.yaml": POD, **BUILT}, level=Safety.SAFE), Unchanged
    )
    for kind in KINDS:
        for finding in changes(snapshot({"compose.yaml": WEB, "d.yaml": POD, **BUILT}), kind):
            assert isinstance(finding, Refusal) or finding.assumes


@pytest.mark.parametrize(
    "given",
    [
        "privileged: true", "pid: host", "ipc: host", "network_mode: host", "devices: [/dev/kvm]",
        "cap_add: [NET_ADMIN]", "cap_drop: [ALL]\n    cap_add: [SYS_ADMIN]", "extends: base",
        "userns_mode: host", "gpus: all", "runtime: nvidia", "uts: host", "cgroup: host",
        "security_opt: ['seccomp:unconfined']", "device_cgroup_rules: ['c 1:3 mr']",
        "volumes: ['/var/run/docker.sock:/var/run/docker.sock']",
        "volumes: [{type: bind, source: /run/docker.sock, target: /x.sock}]",
        "<<: *more",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["capabilities", "privileges", "read-only", "init"])
def test_a_service_that_is_given_more_is_left_alone(kind: str, given: str) -> None:
    text = f"x: &more {{privileged: true}}\n{WEB}    {given}\n"
    assert found(kind, {"compose.yaml": text}) == ["Y102"]


def test_what_an_override_gives_counts() -> None:
    files = {
        "compose.yaml": WEB,
        "compose.override.yaml": "services:\n  web:\n    privileged: yes\n",
    }
    assert found("capabilities", files) == ["Y102"]
    files["compose.override.yaml"] = "services:\n  web:\n    cap_drop: [KILL]\n"
    assert found("capabilities", files) == ["Y103"]
    files["compose.override.yaml"] = "services:\n  web:\n    cap_drop: [ALL]\n"
    assert found("capabilities", files) == []
    files["compose.override.yaml"] = "services:\n  web:\n    user: root\n"
    assert found("capabilities", files) == ["Y105"]


@pytest.mark.parametrize(
    "given", ["hostNetwork: true", "hostPID: true", "hostIPC: true", "os: {name: windows}"]
)
def test_a_pod_that_is_given_more_is_left_alone(given: str) -> None:
    files = {"d.yaml": f"{POD}      {given}\n", **BUILT}
    for kind in ("capabilities", "privileges", "read-only", "non-root", "seccomp"):
        assert found(kind, files) == ["Y102"]


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        ("privileged: true", "Y102"),
        ("capabilities: {add: [SYS_PTRACE]}", "Y102"),
        ("runAsUser: 0", "Y105"),
        ("capabilities: {drop: [NET_RAW]}", "Y103"),
    ],
)
def test_a_security_context_is_read(inner: str, code: str) -> None:
    context = f"          securityContext:\n            {inner}\n"
    assert found("capabilities", {"d.yaml": POD + context, **BUILT}) == [code]


def test_a_security_context_is_continued() -> None:
    context = "          securityContext:\n            readOnlyRootFilesystem: true\n"
    assert found("seccomp", {"d.yaml": POD + context, **BUILT}) == [
        "+ spec.template.spec.containers.0.securityContext.seccompProfile: {type: RuntimeDefault}"
    ]
    flow = "          securityContext: {readOnlyRootFilesystem: true}\n"
    assert found("seccomp", {"d.yaml": POD + flow, **BUILT}) == ["Y101"]


def test_a_document_of_several_is_named() -> None:
    text = f"kind: Service\napiVersion: v1\n---\n{POD}---\n{POD.replace('acme/web', 'other')}"
    assert found("seccomp", {"d.yaml": text, **BUILT}) == [
        "+ 1.spec.template.spec.containers.0.securityContext: "
        "{seccompProfile: {type: RuntimeDefault}}"
    ]


def test_templates_and_patches_are_refused() -> None:
    template = POD.replace("name: web", "name: {{ .Values.name }}")
    assert found("seccomp", {"charts/a/templates/d.yaml": template, **BUILT}) == ["Y101"]
    for name in ("kustomization.yaml", "kustomization.yml", "Kustomization"):
        files = {"k/d.yaml": POD, f"k/{name}": "patchesStrategicMerge: [d.yaml]\n", **BUILT}
        assert found("seccomp", files) == ["Y101"]
    assert len(found("seccomp", {"k/d.yaml": POD, "k/kustomization.yaml": "", **BUILT})) == 1


def test_another_image_is_left_alone() -> None:
    assert found("seccomp", {"d.yaml": POD.replace("acme/web", "acme/other"), **BUILT}) == []
    assert found("capabilities", {"compose.yaml": WEB.replace(": .", ": ./other")}) == []
    assert found("capabilities", {"compose.yaml": "services:\n  web:\n    image: web\n"}) == []
    inline = "services:\n  web:\n    build:\n      dockerfile_inline: |\n        FROM a\n"
    assert found("capabilities", {"compose.yaml": inline}) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (APP.replace("USER 1001\n", ""), "Y105"),
        (APP.replace("USER 1001", "USER $WHO"), "Y104"),
        (APP.replace("python:3.12-slim", "acme/base"), "Y104"),
        (APP.replace("USER", "RUN apt-get install -y iputils-ping\nUSER"), "Y105"),
        (APP.replace("USER", "RUN setcap cap_net_raw+ep /x\nUSER"), "Y105"),
        (APP.replace("USER", "RUN chmod u+s /x\nUSER"), "Y105"),
        (APP.replace("USER", "RUN chmod 4755 /x\nUSER"), "Y105"),
        (APP.replace('"python"', '"sudo", "python"'), "Y105"),
        (APP.replace("python:3.12-slim", "caddy:2"), "Y105"),
        (APP.replace("COPY", "COPY --from=caddy:2 /usr/bin/caddy /\nCOPY"), "Y105"),
        (f"FROM debian AS b\nRUN setcap cap_net_raw+ep /x\n{APP}COPY --from=b /x /x\n", "Y105"),
        (APP.replace("python:3.12-slim", "mcr.microsoft.com/windows/servercore"), "Y105"),
        ('FROM nginx\nCMD ["nginx"]\n', "Y105"),
        ("FROM postgres:16\nCOPY a /e\nENTRYPOINT /e\n", "Y105"),
    ],
)
def test_an_image_that_may_need_rights_is_left_alone(text: str, code: str) -> None:
    assert found("capabilities", {"compose.yaml": WEB}, text) == [code]
    assert found("privileges", {"compose.yaml": WEB}, text) == [code]


def test_sources_that_run_such_programs_count() -> None:
    source = "import subprocess\nsubprocess.run(['ping', '-c1', 'a'])\n"
    assert reason("privileges", {"compose.yaml": WEB, "app.py": source}) == (
        "Y105 compose.yaml:3: app.py:2 runs ping, which gains rights when it is started"
    )


@pytest.mark.parametrize(
    "row", [row for row in table("capabilities") if row["capabilities"] != "-"],
    ids=lambda row: row["image"],
)  # fmt: skip
def test_known_images_keep_what_they_need_as_root(row: dict[str, str]) -> None:
    text = f"FROM {row['image']}:1\nCOPY app.py /x\n"
    (change,) = changes(snapshot({"compose.yaml": WEB}, text), "capabilities")
    assert isinstance(change, Change)
    assert change.level is Safety.RISKY
    assert row["assumes"] in change.assumes
    kept = ", ".join(row["capabilities"].split())
    assert f"+ services.web.cap_add: [{kept}]" in change.claims[0].footprint
    command = {"compose.yaml": f"{WEB}    command: x\n"}
    assert found("capabilities", command, text) == ["Y105"]


def test_the_stage_of_the_service_counts() -> None:
    text = (
        f"FROM python:3.12-slim AS dev\n{APP.replace('FROM python:3.12-slim', 'FROM dev AS run')}"
    )
    dev = WEB.replace("build: .", "build: {context: ., target: dev}")
    assert found("capabilities", {"compose.yaml": dev}, text) == ["Y105"]
    assert found("capabilities", {"compose.yaml": dev.replace("dev", "run")}, text) != ["Y105"]
    assert found("capabilities", {"compose.yaml": dev.replace("dev", "$T")}, text) == ["Y104"]


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"app.py": "open('/data/a', 'w')\n"}, APP),
        ({"app.py": "from pathlib import Path\nPath.home().mkdir()\n"}, APP),
        ({"app.py": "import sys\nopen(sys.argv[1], 'w')\n"}, APP),
        ({}, APP.replace("USER 1001\n", "")),
        ({}, APP.replace('"python"', '"java"')),
        ({}, APP.replace('"python"', '"php-fpm"')),
        ({}, APP.replace('"python"', '"unknown"')),
    ],
)
def test_a_root_that_may_be_written_is_left_alone(files: dict[str, str], text: str) -> None:
    assert found("read-only", {"compose.yaml": WEB, **files}, text) == ["Y106"]


def test_volumes_may_be_written() -> None:
    files = {"app.py": "open('/data/a', 'w')\n"}
    mounted = f"{WEB}    volumes:\n      - data:/data%s\n"
    assert found("read-only", {"compose.yaml": mounted % ":ro", **files}) == ["Y106"]
    assert found("read-only", {"compose.yaml": mounted % "", **files}) == [
        "+ services.web.read_only: true", "+ services.web.tmpfs: [/tmp]"
    ]  # fmt: skip
    assert found("read-only", {"d.yaml": POD, **BUILT}) == ["Y106"]


@pytest.mark.parametrize(
    ("image", "service", "said"),
    [
        ("", "", "nor ends at SIGTERM"),
        ("STOPSIGNAL 3\n", "", "nor ends at SIGQUIT"),
        ("STOPSIGNAL SIGQUIT\n", "    stop_signal: SIGUSR1\n", "nor ends at SIGUSR1"),
        ("STOPSIGNAL SIGINT\n", "", "and does not reap what it did not start"),
        ("", "    stop_signal: SIGKILL\n", "and does not reap what it did not start"),
    ],
)
def test_the_reason_for_an_init_names_the_signal(image: str, service: str, said: str) -> None:
    files = {"compose.yaml": f"{WEB}{service}"}
    (change,) = changes(snapshot(files, APP + image), "init")
    assert isinstance(change, Change)
    assert change.reason.endswith(said)


@pytest.mark.parametrize(
    ("command", "changed"),
    [
        ('CMD ["python", "/app.py"]', True),
        ("CMD python /app.py", True),
        ('ENTRYPOINT ["tini", "--"]\nCMD ["python", "/app.py"]', False),
        ('CMD ["gunicorn", "app"]', False),
        ('ENTRYPOINT ["/init"]', False),
    ],
)
def test_an_init_is_for_those_that_are_none(command: str, changed: bool) -> None:
    text = APP.replace('CMD ["python", "/app.py"]', command)
    assert found("init", {"compose.yaml": WEB}, text) == ["+ services.web.init: true"] * changed
    assert found("init", {"compose.yaml": f"{WEB}    command: gunicorn a\n"}, APP) == []
    assert found("init", {"compose.yaml": f"{WEB}    entrypoint: a\n"}, APP) == []


def test_one_container_is_not_held_to_what_another_one_is_given() -> None:
    socket = "    volumes: ['/var/run/docker.sock:/var/run/docker.sock']\n"
    text = f"{WEB}  watcher:\n    build: .\n{socket}"
    assert found("capabilities", {"compose.yaml": text}) == [
        "+ services.web.cap_drop: [ALL]",
        "Y102",
    ]
    text = f"{WEB}  shell:\n    build: .\n    command: sudo x\n"
    assert found("privileges", {"compose.yaml": text})[1:] == ["Y105"]


def test_what_is_run_in_a_container_of_the_image_counts() -> None:
    files = {"compose.yaml": WEB, "Makefile": "a:\n\tdocker compose exec web sudo x\n"}
    assert found("capabilities", files) == ["Y105"]


def test_a_hook_may_run_as_root() -> None:
    hook = f"{WEB}    post_start:\n      - command: ./prepare\n        user: root\n"
    assert found("capabilities", {"compose.yaml": hook}) == ["Y105"]


def test_what_cannot_be_read_is_refused() -> None:
    files = {"k/d.yaml": POD, "k/kustomization.yaml": "\0", **BUILT}
    assert found("seccomp", files) == ["Y101"]
    assert found("capabilities", {"compose.yaml": f"{WEB}    a: \u0007\n"}) == []


FIXTURE = Path(__file__).parent.parent / "fixtures" / "compose-services"


def test_the_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(FIXTURE, tmp_path / "shop")
    (tmp_path / "shop" / ".git").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    names = ",".join((*ALL, "merge-apt-update", "use-key-value-form"))
    command = ["fix", "--level", "risky", "--select", names, "--jobs", "1", "."]
    shown = CliRunner().invoke(app, [*command, "--diff"])
    assert shown.stdout == (DATA / "compose-services.patch").read_text(encoding="utf-8")
    assert CliRunner().invoke(app, command).exit_code == 0
    assert CliRunner().invoke(app, [*command, "--check"]).exit_code == 0
    (tmp_path / "again").mkdir()
    shutil.copytree(FIXTURE, tmp_path / "again" / "shop")
    patch = ["git", "apply", "--verbose", str(DATA / "compose-services.patch")]
    subprocess.run(patch, cwd=tmp_path / "again" / "shop", check=True)
    for path in FIXTURE.rglob("*.yaml"):
        place = path.relative_to(FIXTURE)
        written = (tmp_path / "shop" / place).read_bytes()
        assert written == (tmp_path / "again" / "shop" / place).read_bytes()
        assert written != path.read_bytes()


@pytest.mark.parametrize(
    ("version", "code"),
    [("2", "Y101"), ("2.1", "Y101"), ("2.4", ""), ("3", "Y101"), ("3.6", "Y101"), ("3.8", "")],
)
def test_an_old_format_has_no_init(version: str, code: str) -> None:
    files = {"compose.yaml": f'version: "{version}"\n{WEB}'}
    assert found("init", files) == [code or "+ services.web.init: true"]
    assert found("capabilities", files) == ["+ services.web.cap_drop: [ALL]"]


def test_objects_that_are_others_or_old_are_left_alone() -> None:
    knative = POD.replace("Deployment", "Service").replace("apps/v1", "serving.knative.dev/v1")
    assert found("capabilities", {"d.yaml": knative, **BUILT}) == ["Y101"]
    old = POD.replace("apps/v1", "extensions/v1beta1")
    assert found("seccomp", {"d.yaml": old, **BUILT}) == ["Y101"]
    assert len(found("capabilities", {"d.yaml": old, **BUILT})) == 1


def settled(kind: str, files: dict[str, str] | None = None) -> tuple[Snapshot, Change]:
    """Return a snapshot and the one change for it."""
    state = snapshot(files or {"compose.yaml": f"{WEB}  db:\n    image: postgres\n"})
    (change,) = changes(state, kind)
    assert isinstance(change, Change)
    return state, change


def why(state: Snapshot, change: Change) -> str:
    """Return why a change does not verify."""
    after, said = attempt(state, [change])
    assert after is None, after.files
    return said


def with_text(change: Change, text: str) -> Change:
    """Return a change that writes another text at its place."""
    (file,) = change.files
    return replace(change, files=(FileEdits(file.path, (Edit(file.edits[0].span, text),)),))


@pytest.mark.parametrize("kind", ["capabilities", "privileges", "read-only", "init"])
def test_only_what_is_claimed_and_assumed_verifies(kind: str) -> None:
    state, change = settled(kind)
    assert attempt(state, [change])[0] is not None
    assert why(state, replace(change, claims=())) == "nothing is claimed in compose.yaml"
    for missing in change.assumes:
        rest = tuple(text for text in change.assumes if text != missing)
        assert why(state, replace(change, assumes=rest)) == f"not assumed: {missing}"
    text = change.files[0].edits[0].text
    for other in (
        f"{text}    tty: true\n",
        text.replace("ALL", "KILL").replace("true", "false"),
        f"{text}  c:\n    image: x\n",
        text.replace("    ", "      "),
        "",
    ):
        why(state, with_text(change, other))
    line = state.read("compose.yaml") or ""
    gone = Edit(Span(line.index("    image"), line.index("postgres")), "    image: ")
    (file,) = change.files
    why(
        state,
        replace(change, files=(FileEdits(file.path, (*file.edits, gone._replace(text="#"))),)),
    )
    elsewhere = FileEdits("app.py", (Edit(Span(0, 0), "a = 1\n"),))
    assert why(state, replace(change, files=(file, elsewhere))) == "nothing is claimed in app.py"


def test_a_setting_of_another_service_does_not_verify() -> None:
    state, change = settled("capabilities")
    footprint = frozenset(w.replace(".web.", ".db.") for w in change.claims[0].footprint)
    other = replace(change, claims=(Claim(Effect.SETTINGS, footprint),))
    assert why(state, other).startswith("nothing shows that it may be")


def test_settings_of_several_services_are_written_together() -> None:
    files = {"compose.yaml": f"{WEB}  worker:\n    build: .\n", "d.yaml": POD, **BUILT}
    state = snapshot(files)
    found = [f for f in changes(state, "capabilities") if isinstance(f, Change)]
    assert len(found) == 3
    for pair in combinations(found, 2):
        assert attempt(state, pair)[0] is not None
    after, _ = attempt(state, found)
    assert after is not None
    assert (after.files["compose.yaml"].count("ALL"), after.files["d.yaml"].count("ALL")) == (2, 1)
