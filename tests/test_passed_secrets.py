"""Files that pass a build argument pass a secret: what is changed there, and what is left."""

import pytest

from refactor.compose import attempt
from refactor.effects.passed_secrets import footprint
from refactor.facts import build_secrets
from refactor.model import Change, Claim, Effect, FileEdits, Refusal, Safety
from refactor.source import Edit, Span, apply, line_edits
from tests.snapshots import run, snapshot

FILE = "FROM node:22\nARG NPM_TOKEN\nRUN npm ci\n"
MOUNTED = "FROM node:22\nRUN --mount=type=secret,id=NPM_TOKEN,env=NPM_TOKEN,required=true npm ci\n"
COMPOSE = "services:\n  a:\n    build:\n      context: .\n      args:\n{}    ports:\n      - 80\n"
SECRET = "secrets:\n  NPM_TOKEN:\n    environment: {}\n"
WORKFLOW = ".github/workflows/a.yml"
STEP = (
    "on: push\njobs:\n  a:\n    steps:\n      - uses: docker/build-push-action@v6  # pinned\n"
    "        with:\n          context: .\n{}          push: true\n"
)
VALUE = "NPM_TOKEN=${{ secrets.NPM_TOKEN }}"


def written(files: dict[str, str], text: str = FILE) -> dict[str, str]:
    """Return the files that are written when the secret is mounted."""
    found = run(snapshot(text, files), "mount-build-secrets")
    assert not found.drops
    return dict(found.snapshot.files)


def refused(files: dict[str, str], text: str = FILE) -> str:
    """Return why nothing is changed: no file is."""
    found = run(snapshot(text, files), "mount-build-secrets")
    assert not found.steps
    assert not found.drops
    return "; ".join(refusal.reason for _, refusal in found.refusals if refusal.code == "X708")


@pytest.mark.parametrize(
    ("args", "left", "source"),
    [
        ("        - NPM_TOKEN\n        - A=1\n", "        - A=1\n", "NPM_TOKEN"),
        ("        - A=1\n        - NPM_TOKEN=$NPM_TOKEN\n", "        - A=1\n", "NPM_TOKEN"),
        ("        A: 1\n        NPM_TOKEN: ${OTHER}\n", "        A: 1\n", "OTHER"),
        ("        NPM_TOKEN:\n        A: 1 # one\n", "        A: 1 # one\n", "NPM_TOKEN"),
        ('        "NPM_TOKEN": "$NPM_TOKEN"\n        A: 1\n', "        A: 1\n", "NPM_TOKEN"),
        ('      - A\n      - "NPM_TOKEN=${T}"\n', "      - A\n", "T"),
    ],
)
def test_a_compose_service(args: str, left: str, source: str) -> None:
    before = COMPOSE.format(args)
    secrets = "      secrets:\n        - NPM_TOKEN\n"
    after = COMPOSE.format(left + secrets) + SECRET.format(source)
    assert written({"compose.yaml": before}) == {"compose.yaml": after}


def test_lines_of_a_compose_file_stay_as_they_are() -> None:
    before = (
        "# ours\r\nsecrets:  # all\r\n  db: {file: ./db}\r\n\r\n"
        "services:\r\n  b: &b\r\n    image: 'x'\r\n"
        "  a:\r\n    build:\r\n      args:\r\n        NPM_TOKEN: $NPM_TOKEN\r\n      context: .\r\n"
        "      secrets:\r\n        - db\r\n  c: *b\r\n"
    )
    after = (
        "# ours\r\nsecrets:  # all\r\n  db: {file: ./db}\r\n"
        "  NPM_TOKEN:\r\n    environment: NPM_TOKEN\r\n\r\n"
        "services:\r\n  b: &b\r\n    image: 'x'\r\n"
        "  a:\r\n    build:\r\n      context: .\r\n"
        "      secrets:\r\n        - db\r\n        - NPM_TOKEN\r\n  c: *b\r\n"
    )
    assert written({"compose.yaml": before}) == {"compose.yaml": after}


def test_two_arguments_of_one_service_and_two_services_of_one_file() -> None:
    text = "FROM node:22\nARG NPM_TOKEN\nARG GH_TOKEN\nRUN npm ci\n"
    service = "  {}:\n    build:\n      context: .\n      args:\n"
    service += "        - NPM_TOKEN\n        - GH_TOKEN\n"
    before = "services:\n" + service.format("a") + service.format("b")
    after = before.replace("args", "secrets") + SECRET.format("NPM_TOKEN")
    after += "  GH_TOKEN:\n    environment: GH_TOKEN\n"
    assert written({"compose.yaml": before}, text) == {"compose.yaml": after}


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ("        - NPM_TOKEN=abc123\n", "no variable"),
        ("        - NPM_TOKEN=\n", "no variable"),
        ("        - NPM_TOKEN=${NPM_TOKEN:-}\n", "no variable"),
        ("        NPM_TOKEN: ${NPM_TOKEN:?missing}\n", "no variable"),
        ("        NPM_TOKEN: $1\n", "no variable"),
        ("        # ours\n        - NPM_TOKEN\n        - A\n", "a comment"),
        ("        - NPM_TOKEN # ours\n        - A\n", "a comment"),
        ("        {NPM_TOKEN: $NPM_TOKEN}\n", "in brackets"),
        ("        <<: {NPM_TOKEN: $NPM_TOKEN}\n", "among the arguments"),
    ],
)
def test_what_a_compose_file_says_otherwise(args: str, why: str) -> None:
    assert why in refused({"compose.yaml": COMPOSE.format(args)})
    assert "abc123" not in refused({"compose.yaml": COMPOSE.format(args)})


def test_what_else_keeps_a_compose_file_as_it_is() -> None:
    plain = COMPOSE.format("        - NPM_TOKEN\n")
    other = SECRET.format("OTHER")
    shared = plain.replace("build:", "build: &b") + "  c:\n    build: *b\n"
    assert "another secret" in refused({"compose.yaml": plain + other})
    assert "another place" in refused({"compose.yaml": shared})
    assert "no plain list" in refused(
        {"compose.yaml": plain.replace("      args:", "      secrets: [db]\n      args:")}
    )
    more = {"b/compose.yaml": "services:\n  b:\n    extends:\n      file: ../compose.yaml\n"}
    assert "extend" in refused({"compose.yaml": plain, **more})
    assert ".env" in refused({"compose.yaml": plain, ".env": "NPM_TOKEN=abc123\n"})
    assert "another Dockerfile" in refused(
        {"compose.yaml": "services:\n", "b/build.sh": "docker build --build-arg NPM_TOKEN $1\n"}
    )


def test_a_file_with_many_builds_is_left() -> None:
    service = "  a{}:\n    build:\n      context: .\n      args:\n        - NPM_TOKEN\n"
    text = "services:\n" + "".join(service.format(number) for number in range(17))
    assert "more than 16" in refused({"compose.yaml": text})


def test_a_script_with_many_names_takes_little_time() -> None:
    text = "docker build --build-arg NPM_TOKEN=$T .\n" + "echo $T\n" * 5_000
    assert written({"build.sh": text})


def test_all_files_are_changed_or_none() -> None:
    plain = COMPOSE.format("        - NPM_TOKEN\n")
    script = "docker build --build-arg NPM_TOKEN .\n"
    assert len(written({"compose.yaml": plain, "build.sh": script})) == 2
    why = refused({"compose.yaml": plain, "build.sh": script.replace("N .", "N=abc .")})
    assert why.startswith("NPM_TOKEN is passed as a build argument: build.sh, line 1: ")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            f"          build-args: |\n            A=1\n            {VALUE}\n",
            "          build-args: |\n            A=1\n"
            f"          secrets: |\n            {VALUE}\n",
        ),
        (
            f"          build-args: |\n              {VALUE}\n",
            f"          secrets: |\n              {VALUE}\n",
        ),
        (f"          build-args: {VALUE}\n", f"          secrets: |\n            {VALUE}\n"),
        (
            "          secrets: |\n            a=b\n"
            f'          build-args: |\n            "{VALUE}"\n            A=1\n',
            f"          secrets: |\n            a=b\n            {VALUE}\n"
            "          build-args: |\n            A=1\n",
        ),
    ],
)
def test_the_action_that_builds(before: str, after: str) -> None:
    assert written({WORKFLOW: STEP.format(before)}) == {WORKFLOW: STEP.format(after)}


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ("          build-args: |\n            NPM_TOKEN=abc123\n", "no expression"),
        ("          build-args: |\n            NPM_TOKEN=a${{ env.B }}\n", "no expression"),
        (f"          build-args: |\n            # ours\n            {VALUE}\n", "a comment"),
        (f"          # ours\n          build-args: |\n            {VALUE}\n", "a comment"),
        (f"          build-args: >\n            {VALUE}\n", "no block"),
        (f"          build-args: |\n            {VALUE}\n            {VALUE}\n", "once"),
        (f"          secrets: a=b\n          build-args: |\n            {VALUE}\n", "no block"),
        (f"          build_args: |\n            {VALUE}\n", "not found"),
    ],
)
def test_inputs_of_the_action_that_are_left(inputs: str, why: str) -> None:
    assert why in refused({WORKFLOW: STEP.format(inputs)})


def test_another_action_is_left() -> None:
    text = STEP.format(f"          build-args: |\n            {VALUE}\n")
    assert refused({WORKFLOW: text.replace("docker/build-push", "redhat/buildah-build")})


MAKE = "build:\n\tdocker build -t a {} .\n"
ARGUMENT = "--build-arg NPM_TOKEN=$T"
GITLAB = "build:\n  script:\n    - {} .\n"
OLD = "image: docker:{}\n{}build:\n  script:\n    - {} --build-arg NPM_TOKEN=$T .\n"
BUILDKIT = "variables:\n  DOCKER_BUILDKIT: 1\n"
PIPE = "on: push\njobs:\n  a:\n    steps:\n      - run: |\n          npm test\n          {} .\n"


@pytest.mark.parametrize(
    ("path", "text", "given", "secret"),
    [
        ("build.sh", "docker build {} .\n", "--build-arg NPM_TOKEN", "NPM_TOKEN"),
        ("build.sh", "docker build {} .\n", "--build-arg NPM_TOKEN=$NPM_TOKEN", "NPM_TOKEN"),
        ("build.sh", "docker buildx build {} .\n", '--build-arg "NPM_TOKEN=${T}"', "T"),
        ("build.sh", "set -e\ndocker build \\\n  {} \\\n  .\n", '--build-arg=NPM_TOKEN="$T"', "T"),
        ("build.sh", 'test "$T"\nDOCKER_BUILDKIT=1 docker build {} .\n', ARGUMENT, "T"),
        ("Makefile", MAKE, "--build-arg NPM_TOKEN=$(NPM_TOKEN)", "NPM_TOKEN"),
        ("Makefile", MAKE, "--build-arg NPM_TOKEN=$$NPM_TOKEN", "NPM_TOKEN"),
        (WORKFLOW, PIPE, "docker build --build-arg NPM_TOKEN=${NPM_TOKEN}", "NPM_TOKEN"),
        (".gitlab-ci.yml", GITLAB, "docker build --build-arg NPM_TOKEN=$T", "T"),
    ],
)  # fmt: skip
def test_a_command(path: str, text: str, given: str, secret: str) -> None:
    sign = "=" if "arg=" in given else " "
    new = f"--secret{sign}id=NPM_TOKEN,env={secret}"
    if given.startswith("docker"):
        new = f"docker build {new}"
    assert written({path: text.format(given)}) == {path: text.format(new)}


@pytest.mark.parametrize(
    ("release", "variables", "command", "known"),
    [
        ("18", "", "docker build", False),
        ("19.03-dind", "", "docker build", False),
        ("22", "", "docker image build", False),
        ("stable", "", "docker build", False),
        ("$RELEASE", "", "docker build", False),
        ("19", BUILDKIT, "docker build", False),
        ("20", BUILDKIT + "a:\n  script: docker build b\n", "docker build", True),
        ("20", "a:\n  " + BUILDKIT + "  script: docker build b\n", "docker build", False),
        ("20", "", "DOCKER_BUILDKIT=1 docker build", True),
        ("20", "", "docker buildx build", True),
        ("23", "", "docker build", True),
        ("latest", "variables:\n  DOCKER_HOST: tcp://docker:2375\n", "docker build", True),
    ],
)
def test_releases_of_docker_that_have_another_builder(
    release: str, variables: str, command: str, known: bool
) -> None:
    files = {".gitlab-ci.yml": OLD.format(release, variables, command)}
    if known:
        assert "--secret id=NPM_TOKEN,env=T" in written(files)[".gitlab-ci.yml"]
    else:
        assert f".gitlab-ci.yml, line {files['.gitlab-ci.yml'].count(chr(10))}: docker:" in refused(
            files
        )


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("build.sh", "docker build --build-arg NPM_TOKEN=abc123 .\n"),
        ("build.sh", "docker build --build-arg NPM_TOKEN=${NPM_TOKEN:-a} .\n"),
        ("build.sh", "docker build --build-arg NPM_TOKEN='$NPM_TOKEN' .\n"),
        ("build.sh", "T=$(cat t)\ndocker build --build-arg NPM_TOKEN=$T .\n"),
        ("build.sh", "read -r T\ndocker build --build-arg NPM_TOKEN=$T .\n"),
        ("build.sh", ": ${T:=a}\ndocker build --build-arg NPM_TOKEN=$T .\n"),
        ("build.sh", "source ./env\ndocker build --build-arg NPM_TOKEN=$T .\n"),
        ("build.sh", "docker build --build-arg NPM_TOKEN=$1 .\n"),
        ("build.sh", "ssh a <<EOF\ndocker build --build-arg NPM_TOKEN=$T .\nEOF\n"),
        ("build.sh", "sudo docker build --build-arg NPM_TOKEN=$T .\n"),
        ("build.sh", "DOCKER_BUILDKIT=0 docker build --build-arg NPM_TOKEN=$T .\n"),
        ("build.sh", "export DOCKER_BUILDKIT=0\ndocker build --build-arg NPM_TOKEN=$T .\n"),
        ("build.sh", "podman build --build-arg NPM_TOKEN=$T .\n"),
        ("build.sh", 'ssh a "docker build --build-arg NPM_TOKEN=$T ."\n'),
        (
            "build.sh",
            "# docker build --build-arg NPM_TOKEN\ndocker build --build-arg NPM_TOKEN .\n",
        ),
        ("build.sh", "docker compose build --build-arg NPM_TOKEN\n"),
        ("Makefile", "T ?= a\n" + MAKE.format("--build-arg NPM_TOKEN=$(T)")),
        ("Makefile", "include .env\n" + MAKE.format("--build-arg NPM_TOKEN=$(T)")),
        ("Makefile", MAKE.format("--build-arg NPM_TOKEN=$(shell cat t)")),
        ("justfile", "build:\n  docker build --build-arg NPM_TOKEN=$T .\n"),
        ("README.md", "    docker build --build-arg NPM_TOKEN .\n"),
        ("docker-bake.hcl", 'target "a" {\n  args = {\n    NPM_TOKEN = "a"\n  }\n}\n'),
        (WORKFLOW, PIPE.format("docker build --build-arg NPM_TOKEN=${{ secrets.NPM_TOKEN }}")),
    ],
)
def test_a_command_that_is_left(path: str, text: str) -> None:
    assert refused({path: text}).startswith(f"NPM_TOKEN is passed as a build argument: {path}")


def test_a_build_of_the_repository_that_does_without_it_goes_on() -> None:
    files = {"compose.yaml": COMPOSE.format("        - NPM_TOKEN\n"), "a.sh": "docker build .\n"}
    found = run(snapshot(FILE, files), "mount-build-secrets")
    assert found.snapshot.text == MOUNTED.replace(",required=true", "")


UNSEEN = {
    "Tiltfile": "docker_build('acme/web', '.', build_args={'NPM_TOKEN': token})\n",
    "build.ps1": "& docker build --build-arg NPM_TOKEN=$env:NPM_TOKEN .\n",
    "ci.py": 'run(["docker", "build", "--build-arg", f"NPM_TOKEN={token}", "."])\n',
    "tekton.yaml": "steps:\n- image: kaniko/executor\n  args: [--build-arg=NPM_TOKEN]\n",
    "main.tf": 'resource "docker_image" "a" {\n  build { build_arg = { NPM_TOKEN = var.t } }\n}\n',
}


@pytest.mark.parametrize("path", UNSEEN)
def test_what_may_build_it_unseen(path: str) -> None:
    assert f"{path}, line" in refused({path: UNSEEN[path]})
    found = run(
        snapshot(FILE, {path: UNSEEN[path].replace("NPM_TOKEN", "A")}), "mount-build-secrets"
    )
    assert found.snapshot.text == MOUNTED.replace(",required=true", "")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("NOTES.rst", "docker build --build-arg NPM_TOKEN .\n"),
        (".pre-commit-config.yaml", "- id: hadolint-docker\n  files: Dockerfile\n# NPM_TOKEN\n"),
        (".gitignore", "Dockerfile.local\n"),
        ("app.py", "token = os.environ['NPM_TOKEN']\n"),
        ("logo.png", "\0docker build"),
    ],
)
def test_what_builds_nothing(path: str, text: str) -> None:
    found = run(snapshot(FILE, {path: text}), "mount-build-secrets")
    assert found.snapshot.text == MOUNTED


def test_another_dockerfile_may_be_built_by_the_same_line() -> None:
    files = {
        "a/Dockerfile": FILE, "b/Dockerfile": FILE,
        "build.sh": "for d in a b; do docker build --build-arg NPM_TOKEN $d; done\n",
    }  # fmt: skip
    assert "another Dockerfile" in refused(files)


def verdict(path: str, before: str, after: str) -> str:
    """Return why a file is not the other with a secret for its argument, empty if it is."""
    file = snapshot(FILE, {path: before, "Dockerfile": FILE})
    (plan,) = (p for p in build_secrets.plans(file) if not isinstance(p, Refusal))
    mounts = [c for c in build_secrets.claims(plan) if "ARG" in " ".join(c.footprint)]
    claims = (*mounts, Claim(Effect.SECRETS, footprint(path, "NPM_TOKEN")))
    edits = FileEdits(path, (Edit(Span(0, len(before)), after),))
    change = Change("", (Edit(Span(0, len(FILE)), MOUNTED),), claims, Safety.RISKY, files=(edits,))
    return attempt(file, [change])[1]


RIGHT = COMPOSE.format("        - A=1\n      secrets:\n        - NPM_TOKEN\n") + SECRET.format("T")
PUSHED = STEP.format(
    f"          build-args: |\n            A=1\n          secrets: |\n            {VALUE}\n"
)


@pytest.mark.parametrize(
    ("path", "before", "right", "mutations"),
    [
        (
            "compose.yaml", COMPOSE.format("        - A=1\n        - NPM_TOKEN=$T\n"), RIGHT,
            [("environment: T", "environment: U"), ("- A=1", "- A=2"), ("        - A=1\n", ""),
             ("- NPM_TOKEN", "- OTHER"), ("- 80", "- 81"), ("    ports", "    a: 1\n    ports"),
             ("secrets:\n  NPM", "secrets:\n  OTHER"), ("environment", "file"),
             ("        - NPM_TOKEN\n", "        - NPM_TOKEN\n        - NPM_TOKEN2\n")],
        ),
        (
            WORKFLOW,
            STEP.format(f"          build-args: |\n            A=1\n            {VALUE}\n"), PUSHED,
            [("secrets.NPM_TOKEN", "secrets.OTHER"), ("A=1", "A=2"), ("push: true", "push: false"),
             ("  # pinned", ""), ("            A=1\n", ""), (f"            {VALUE}\n", "")],
        ),
        (
            "build.sh", "a\ndocker build --build-arg NPM_TOKEN=$T .\n",
            "a\ndocker build --secret id=NPM_TOKEN,env=T .\n",
            [("env=T", "env=U"), ("id=NPM_TOKEN", "id=OTHER"), ("a\n", "b\n"), (" .\n", " b\n"),
             (" .\n", " --push .\n")],
        ),
    ],
)  # fmt: skip
def test_the_verifier_accepts_what_is_right_and_nothing_else(
    path: str, before: str, right: str, mutations: list[tuple[str, str]]
) -> None:
    assert not verdict(path, before, right)
    assert "passed as an argument" in verdict(path, before, before + "\n")
    for old, new in mutations:
        wrong = right.replace(old, new, 1)
        assert wrong != right
        assert verdict(path, before, wrong), (old, new)


def test_edits_of_lines() -> None:
    for before, after in (("a\nb\nc", "a\nc\nd\n"), ("", "a"), ("a\r\nb\r\n", "b\r\n"), ("a", "a")):
        assert apply(before, line_edits(before, after)) == after
