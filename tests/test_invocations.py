"""What a repository says of the image of a Dockerfile: who starts, probes, builds and mounts."""

from __future__ import annotations

from typing import Any

import pytest

from refactor.context import MemoryContext
from refactor.facts.image_names import LIKELY, NOT, POSSIBLE, SAME, agreement
from refactor.facts.invocations import Invocations, invocations
from refactor.outside.records import mount, port
from refactor.outside.shell_lines import commands, expanded
from refactor.outside.yaml_items import documents, filled


def said(files: dict[str, str], place: str = "Dockerfile", home: str = "") -> Invocations:
    """Return what files say of a Dockerfile, which is there too."""
    data = {path: text.encode() for path, text in files.items()}
    return invocations(MemoryContext({place: b"FROM scratch\n", **data}), home, place)


def argvs(found: Invocations) -> list[tuple[str, tuple[str, ...]]]:
    """Return the roles and words of what is run."""
    return [(entry.role, entry.argv) for entry in found.commands]


COMPOSE = """\
x-base: &base
  user: "1000:1000"
  volumes: ["data:/data"]
services:
  web:
    <<: *base
    build:
      context: .
      target: dev
      args: [A=1, B]
    command: gunicorn "my app" $$PORT
    entrypoint: [tini, --]
    healthcheck:
      test: [CMD-SHELL, curl -f localhost || exit 1]
    ports:
      - "127.0.0.1:8080:80"
      - target: 53
        protocol: udp
    expose: [9000]
    tmpfs: /tmp
    secrets: [key]
    develop:
      watch:
        - {action: sync, path: ./src, target: /app/src}
  worker:
    build: {context: ., args: {C: 1}}
    command: [celery, -A, app]
    healthcheck: {test: [CMD, celery, status]}
    volumes:
      - .:/app:ro
      - type: bind
        source: ./conf
        target: /etc/conf
        read_only: true
  db:
    image: postgres:16
    command: postgres -c x=y
    user: postgres
"""


def test_a_compose_file() -> None:
    found = said({"compose.yaml": COMPOSE})
    assert argvs(found) == [
        ("entrypoint", ("tini", "--")),
        ("command", ("gunicorn", "my app", "$PORT")),
        ("healthcheck", ("/bin/sh", "-c", "curl -f localhost || exit 1")),
        ("command", ("celery", "-A", "app")),
        ("healthcheck", ("celery", "status")),
    ]
    assert found.commands[1].text == 'gunicorn "my app" $$PORT'
    assert found.commands[1].line == COMPOSE.split("\n").index("    command: gunicorn"
                                                               ' "my app" $$PORT') + 1  # fmt: skip
    assert found.targets == {"dev"}
    assert found.arguments == {"A", "B", "C"}
    assert [user.value for user in found.users] == ["1000:1000"]
    assert [entry.value for entry in found.ports] == ["80", "53/udp", "9000"]
    assert [entry[:4] for entry in found.mounts] == [
        ("/data", "volume", "data", False),
        ("/tmp", "tmpfs", "", False),
        ("/run/secrets/key", "secret", "key", True),
        ("/app/src", "sync", "./src", False),
        ("/app", "bind", ".", True),
        ("/etc/conf", "bind", "./conf", True),
    ]
    assert not found.unknown


def test_services_of_other_dockerfiles_do_not_count() -> None:
    text = """\
services:
  web: {build: web, command: a, image: org/web}
  api: {build: {context: ., dockerfile: api/Dockerfile}, command: b}
  again: {image: "org/web:latest", command: c}
  remote: {build: "https://example.com/x.git", command: d}
  outside: {build: ../x, command: e}
  inline: {build: {dockerfile_inline: FROM x}, command: f}
  alien: {image: somebody/else, command: g}
"""
    files = {"compose.yml": text, "web/Dockerfile": "", "api/Dockerfile": ""}
    assert argvs(said(files, "web/Dockerfile")) == [("command", ("a",)), ("command", ("c",))]
    assert argvs(said(files, "api/Dockerfile")) == [("command", ("b",))]


def test_an_override_describes_the_service_of_its_folder() -> None:
    files = {
        "compose.yml": "services: {web: {build: .}, db: {image: mysql}}",
        "compose.override.yml": "services: {web: {command: x}, db: {command: y}}",
        "other/compose.yml": "services: {web: {image: redis, command: z}}",
    }
    assert argvs(said(files)) == [("command", ("x",))]


def test_a_service_extends_another() -> None:
    text = """\
services:
  a: {build: .}
  b: {extends: {service: a}, command: x}
  c: {extends: a, command: y}
"""
    assert argvs(said({"compose.yml": text})) == [("command", ("x",)), ("command", ("y",))]


def test_what_is_cleared_and_what_cannot_be_split() -> None:
    text = 'services: {web: {build: ., command: [], entrypoint: "it\'s"}}'
    found = said({"compose.yml": text})
    assert [(c.role, c.argv, c.text) for c in found.commands] == [
        ("entrypoint", (), "it's"),
        ("command", (), ""),
    ]
    assert not said({"compose.yml": "services: {web: {build: ., command: null}}"}).commands


MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: unrelated}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: app}
spec:
  volumeClaimTemplates:
    - metadata: {name: claim}
  template:
    spec:
      securityContext: {runAsUser: 1000}
      volumes:
        - name: conf
          configMap: {name: conf}
        - {name: tmp, emptyDir: {}}
      initContainers:
        - name: init
          image: registry/app:1
          command: [migrate]
          securityContext: {runAsUser: 0}
      containers:
        - name: app
          image: registry/app:1
          command: ["/bin/run"]
          args: ["--port", "80"]
          ports: [{containerPort: 8080}, {containerPort: 53, protocol: UDP}]
          livenessProbe: {exec: {command: [check]}}
          readinessProbe: {httpGet: {path: /, port: 8081}}
          lifecycle: {preStop: {exec: {command: [sleep, "5"]}}}
          volumeMounts:
            - {name: conf, mountPath: /etc/conf, readOnly: true}
            - {name: tmp, mountPath: /tmp}
            - {name: claim, mountPath: /data}
        - name: sidecar
          image: somebody/proxy
          command: [proxy]
"""


def test_a_kubernetes_manifest() -> None:
    found = said({"k8s/app.yaml": MANIFEST, "build.sh": "docker build -t registry/app .\n"})
    assert argvs(found) == [
        ("entrypoint", ("/bin/run",)),
        ("command", ("--port", "80")),
        ("probe", ("check",)),
        ("hook", ("sleep", "5")),
        ("entrypoint", ("migrate",)),
    ]
    assert sorted(user.value for user in found.users) == ["0", "1000"]
    assert [entry.value for entry in found.ports] == ["8080", "53/udp", "8081"]
    assert [entry[:4] for entry in found.mounts] == [
        ("/etc/conf", "configMap", "conf", True),
        ("/tmp", "emptyDir", "tmp", False),
        ("/data", "persistentVolumeClaim", "claim", False),
    ]
    assert not found.unknown


def test_without_a_name_every_manifest_counts_in_doubt() -> None:
    found = said({"app.yaml": MANIFEST})
    assert ("entrypoint", ("proxy",)) in argvs(found)
    assert [entry.value for entry in found.unknown] == [
        "registry/app:1 may be another image",
        "somebody/proxy may be another image",
    ]


def test_a_build_that_may_be_of_another_dockerfile_makes_no_container_surely_ours() -> None:
    pod = "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, image: r.example/shop}]}\n"
    build = "steps: [{name: gcr.io/cloud-builders/docker, args: [build, -t, r.example/shop, .]}]\n"
    files = {"pod.yaml": pod, "ci/cloudbuild.yaml": build}
    assert [use.path for use in said(files).uses] == ["pod.yaml"]
    files["two/Dockerfile"] = "FROM scratch\n"
    assert said(files, "one/Dockerfile", "one").uses == ()


def test_a_template_is_read_as_far_as_it_goes() -> None:
    text = """\
{{- /* a comment
  over lines */ -}}
apiVersion: apps/v1
kind: Deployment
spec:
  containers:
    - image: {{ .Values.image.repository }}:{{ .Values.image.tag }}
      args: {{ toJson .Values.args }}
      {{- if .Values.probe }}
      livenessProbe: {exec: {command: [one]}}
      {{- else }}
      livenessProbe: {exec: {command: [two]}}
      {{- end }}
"""
    found = said({"chart/templates/app.yaml": text})
    assert argvs(found) == [("command", ()), ("probe", ("one",)), ("probe", ("two",))]
    assert found.commands[0].text == "$TEMPLATE"
    assert found.commands[1].line == 10
    assert [entry.value for entry in found.unknown] == [
        "a template is read without what it is filled with",
        "$repository:$tag may be another image",
    ]


@pytest.mark.parametrize(
    ("text", "targets", "arguments"),
    [
        ("docker build --target dev .", {"dev"}, set()),
        ("docker build --target=dev --build-arg A=1 --build-arg B .", {"dev"}, {"A", "B"}),
        ("sudo -E docker --context x buildx build --push --target dev -t a .", {"dev"}, set()),
        ("podman build --layers --target dev .", {"dev"}, set()),
        ("DOCKER_BUILDKIT=1 docker build \\\n  --target dev \\\n  .", {"dev"}, set()),
        ("docker build -f ./Dockerfile --target dev .", {"dev"}, set()),
        ("docker build -f other/Dockerfile --target dev .", set(), set()),
        ("docker build --target dev other", set(), set()),
        ("cd other && docker build --target dev .", {"dev"}, set()),  # it may have come back
        ('docker build --target dev "$DIR"', {"dev"}, set()),
        ("docker build --target dev https://example.com/x.git", set(), set()),
        ('ARGS=(--target dev --build-arg "A=$A")\ndocker build "${ARGS[@]}" .', {"dev"}, {"A"}),
        ("STAGE=dev\ndocker build --target $STAGE .", {"dev"}, set()),
        ('ssh host "cd x; docker build --target dev ."', {"dev"}, set()),
        ("x=$(docker build -q --target dev .)", {"dev"}, set()),
        ("/kaniko/executor --context $CI_PROJECT_DIR --target dev --destination x", {"dev"}, set()),
        ("az acr build -r reg -t app --target dev .", {"dev"}, set()),
        ("echo docker build --target dev .", set(), set()),
        ("# docker build --target dev .", set(), set()),
        ("docker compose build --build-arg A=1 web", set(), {"A"}),
        ("docker buildx bake --set x.target=dev --set *.args.A=1 x", {"dev"}, {"A"}),
        ("buildctl build --opt target=dev --opt build-arg:A=1 --local context=.", {"dev"}, {"A"}),
        ("for d in a b; do docker build --target dev .; done", {"dev"}, set()),
    ],
)
def test_builds_in_a_script(text: str, targets: set[str], arguments: set[str]) -> None:
    found = said({"build.sh": text, "other/Dockerfile": ""})
    assert found.targets == targets
    assert found.arguments == arguments


def test_a_target_that_is_not_known() -> None:
    found = said({"build.sh": "docker build --target $1 ."})
    assert found.targets == set()
    assert [entry.value for entry in found.unknown] == ["a target that is not known"]


BUILT = "docker build -t org/app .\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docker run org/app", []),
        ("docker run -it --rm org/app bash -l", [("command", ("bash", "-l"))]),
        ("docker run -p 80:80 --name=x --init org/app:v1 a", [("command", ("a",))]),
        (
            "docker run --entrypoint sh org/app -c ls",
            [("command", ("-c", "ls")), ("entrypoint", ("sh",))],
        ),
        ("docker run $OPTS org/app a", [("command", ("a",))]),
        ("docker run $X --rm org/app a", [("command", ("a",))]),
        ("docker run org/app a > log 2>&1 | tee x", [("command", ("a",))]),
        ("docker run org/app sh -c 'a; b'", [("command", ("sh", "-c", "a; b"))]),
        ("docker run registry.example.com/org/app a", [("command", ("a",))]),
        ("docker run org/app; docker run other/thing a", []),
        ("docker run redis a", []),
        ("docker container run org/app a", [("command", ("a",))]),
        ("$(DOCKER) run org/app a; $DOCKER_COMPOSE ps", [("command", ("a",))]),
        ("docker run -d --name x org/app\ndocker exec -u root -it x ls", [("exec", ("ls",))]),
        ("docker run -d --name x redis\ndocker exec x redis-cli", []),
        ("docker exec $(docker ps -qf name=y) ls", [("exec", ("ls",))]),
        ("kubectl run x --image=org/app --expose --port 80 -- a", [("command", ("a",))]),
        ("kubectl run x --image=org/app --command -- a", [("entrypoint", ("a",))]),
        ("kubectl exec -it deploy/x -c y -- a -b", [("exec", ("a", "-b"))]),
        (
            "gcloud run deploy x --image org/app --command a,b --args=c --port 80",
            [("entrypoint", ("a", "b")), ("command", ("c",))],
        ),
        ("docker run --health-cmd 'a b' org/app", [("healthcheck", ("/bin/sh", "-c", "a b"))]),
    ],
)
def test_runs_in_a_script(text: str, expected: list[Any]) -> None:
    assert argvs(said({"run.sh": BUILT + text})) == expected


def test_the_options_of_a_run() -> None:
    text = """\
docker run -u 1000:0 -p 127.0.0.1:8080:80/tcp -p "${PORT:-9000}:9001" --expose 53/udp \\
  -v "$(pwd)/x:/x:ro" -v named:/y -v /z --tmpfs /t:size=1m \\
  --mount type=bind,source=/a,target=/b,readonly org/app
"""
    found = said({"run.sh": BUILT + text})
    assert [user.value for user in found.users] == ["1000:0"]
    assert [entry.value for entry in found.ports] == ["80/tcp", "9001", "53/udp"]
    assert [entry[:4] for entry in found.mounts] == [
        ("/x", "bind", "$(pwd)/x", True),
        ("/y", "volume", "named", False),
        ("/z", "volume", "", False),
        ("/t", "tmpfs", "", False),
        ("/b", "bind", "/a", True),
    ]


def test_compose_commands_name_services() -> None:
    files = {
        "compose.yml": "services: {web: {build: .}, db: {image: mysql}}",
        "Makefile": (
            "DC := docker compose -f compose.yml\n"
            "test:\n"
            "\t@$(DC) run --rm -T -e A=1 web pytest $$ARGS\n"
            "\t-docker-compose exec -u app web ls \\\n"
            "\t  -l\n"
            "\t$(DC) exec db mysql\n"
        ),
    }
    found = said(files)
    assert argvs(found) == [("command", ("pytest", "$ARGS")), ("exec", ("ls", "-l"))]
    assert [entry.line for entry in found.commands] == [3, 4]
    assert [user.value for user in found.users] == ["app"]
    assert not found.unknown


def test_a_document_is_read_where_it_shows_code() -> None:
    text = """\
Don't run `docker compose exec web ls`, or docker run app x.

```console
$ docker build -t <name> --target <stage> .
$ docker run -v <dir>:/data app \\
    a <b>
```

    # docker run app c
"""
    found = said({"README.md": "docker build -t app .\n" + text, "run.sh": "docker build -t app ."})
    assert argvs(found) == [("exec", ("ls",)), ("command", ("a", "$b"))]
    assert [entry.line for entry in found.commands] == [2, 6]
    assert {entry.kind for entry in found.commands} == {"docs"}
    assert found.mounts[0][:3] == ("/data", "bind", "$dir")


def test_a_workflow() -> None:
    text = """\
env:
  IMAGE: ghcr.io/org/app
on: push
jobs:
  build:
    steps:
      - uses: docker/metadata-action@v5
        with: {images: ghcr.io/org/other-name}
      - uses: docker/build-push-action@v6
        with:
          context: app
          target: prod
          build-args: |
            A=1
            B=2
          tags: ${{ env.IMAGE }}:latest,${{ steps.meta.outputs.tags }}
      - run: |
          docker run ${{ env.IMAGE }} a
          docker run ghcr.io/org/other-name b
      - run: docker run ghcr.io/org/stranger c
"""
    files = {".github/workflows/ci.yml": text, "Dockerfile": "", "app/Dockerfile": ""}
    found = said(files, "app/Dockerfile")
    assert found.targets == {"prod"}
    assert found.arguments == {"A", "B"}
    assert argvs(found) == [("command", ("a",)), ("command", ("b",))]
    assert [entry.line for entry in found.commands] == [18, 19]
    assert found.commands[0].kind == "ci"
    assert said(files).targets == set()


@pytest.mark.parametrize(
    ("name", "text", "targets"),
    [
        (
            "cloudbuild.yaml",
            "steps:\n- name: gcr.io/cloud-builders/docker\n  dir: app\n"
            "  args: [build, -t, x, --target, dev, .]\n",
            {"dev"},
        ),
        (
            "cloudbuild.yaml",
            "steps:\n- name: gcr.io/kaniko-project/executor\n"
            "  args: [--destination=x, --dockerfile=app/Dockerfile, --target=dev]\n",
            {"dev"},
        ),
        (
            ".gitlab-ci.yml",
            "build:\n  image: docker\n  script:\n    - cd app\n    - docker build --target dev .\n",
            set(),  # no line knows the other
        ),
        (
            ".gitlab-ci.yml",
            "build:\n  script:\n    - docker build -f app/Dockerfile --target dev .\n",
            {"dev"},
        ),
        (
            "azure-pipelines.yml",
            "steps:\n- task: Docker@2\n"
            "  inputs: {command: build, Dockerfile: app/Dockerfile, target: dev}\n",
            {"dev"},
        ),
        (
            ".drone.yml",
            "steps:\n- image: plugins/docker\n"
            "  settings: {dockerfile: app/Dockerfile, target: dev}\n",
            {"dev"},
        ),
        ("Jenkinsfile", "sh 'docker build --target dev app'\n", {"dev"}),
        ("Jenkinsfile", "docker.build('x', '--target dev app')\n", {"dev"}),
        (
            "Jenkinsfile",
            "agent { dockerfile { dir 'app'\n additionalBuildArgs '--target dev' } }\n",
            {"dev"},
        ),
        (
            "skaffold.yaml",
            "apiVersion: skaffold/v4beta1\nkind: Config\n"
            "build: {artifacts: [{image: x, context: app, docker: {target: dev}}]}\n",
            {"dev"},
        ),
        ("docker-bake.hcl", 'target "x" {\n  context = "app"\n  target = "dev"\n}\n', {"dev"}),
        ("docker-bake.json", '{"target": {"x": {"context": "app", "target": "dev"}}}', {"dev"}),
        (
            ".devcontainer/devcontainer.json",
            '{\n  // a comment\n  "build": {"dockerfile": "../app/Dockerfile", "target": "dev"}\n}',
            {"dev"},
        ),
        (
            "heroku.yml",
            "build: {docker: {web: {dockerfile: app/Dockerfile, target: dev}}}",
            {"dev"},
        ),
        ("fly.toml", '[build]\ndockerfile = "app/Dockerfile"\nbuild-target = "dev"\n', {"dev"}),
        ("app/package.json", '{"scripts": {"build": "docker build --target dev ."}}', {"dev"}),
        ("app/Makefile", "all:\n\tdocker build --target dev .\n", {"dev"}),
        ("scripts/build", "#!/usr/bin/env bash\ndocker build --target dev app\n", {"dev"}),
        ("scripts/build", "docker build --target dev app\n", set()),
    ],
)
def test_a_build_is_found_in(name: str, text: str, targets: set[str]) -> None:
    files = {name: text, "other/Dockerfile": "", "Dockerfile": "", "app/Dockerfile": ""}
    assert said(files, "app/Dockerfile", "app").targets == targets
    assert said(files, "other/Dockerfile", "other").targets == set()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("Procfile", "web: gunicorn app\nrelease: a && b\n",
         [("command", ("gunicorn", "app")), ("command", ("/bin/sh", "-c", "a && b"))]),
        ("heroku.yml",
         "build: {docker: {web: Dockerfile}}\nrun: {web: a b, job: {command: [c], image: web}}\n"
         "release: {command: [d], image: web}\n",
         [("command", ("a", "b")), ("command", ("c",)), ("command", ("d",))]),
        ("render.yaml", "services: [{runtime: docker, dockerCommand: a, preDeployCommand: b}]",
         [("command", ("a",)), ("hook", ("b",))]),
        ("fly.toml", '[processes]\nweb = "a b"\n[deploy]\nrelease_command = "c"\n',
         [("command", ("a", "b")), ("command", ("c",))]),
        (".devcontainer.json", '{"dockerFile": "Dockerfile", "onCreateCommand": {"x": ["a", "b"]}}',
         [("exec", ("a", "b"))]),
        ("action.yml", "runs: {using: docker, image: Dockerfile, args: [a], entrypoint: /e.sh}",
         [("entrypoint", ("/e.sh",)), ("command", ("a",))]),
    ],
)  # fmt: skip
def test_a_command_is_found_in(name: str, text: str, expected: list[Any]) -> None:
    assert argvs(said({name: text})) == expected


def test_a_github_action_runs_as_root() -> None:
    found = said({"action.yml": "runs: {using: docker, image: Dockerfile}"})
    assert [user.value for user in found.users] == ["root"]
    assert [entry.target for entry in found.mounts] == ["/github/workspace"]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("org/app:1", "org/app@sha256:00", SAME),
        ("docker.io/library/redis", "redis:7", SAME),
        ("localhost:5000/app", "localhost:5000/app:2", SAME),
        ("gcr.io/a/app", "us-docker.pkg.dev/b/c/app", LIKELY),
        ("$REGISTRY/app:${TAG:-1}", "app", LIKELY),
        ("gcr.io/PROJECT_ID/app", "gcr.io/<your project>/app", SAME),
        ("${IMAGE:-org/app}", "org/app", SAME),
        ("org/app-$SUFFIX", "org/app-x", POSSIBLE),
        ("$IMAGE", "org/app", NOT),
        ("org/app", "org/apps", NOT),
        ("bitnami/redis", "redis", NOT),
    ],
)
def test_whether_two_names_agree(one: str, other: str, expected: int) -> None:
    assert agreement(one, other) == agreement(other, one) == expected


def test_an_image_with_gaps_in_its_name_counts_in_doubt() -> None:
    text = "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: $REG/thing, args: [a]}]}\n"
    found = said({"pod.yaml": text, "run.sh": BUILT + "docker run org/app\n"})
    assert argvs(found) == [("command", ("a",))]
    assert [entry.value for entry in found.unknown] == ["$REG/thing may be another image"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b;c&&d||e|f & g", [["a", "b"], ["c"], ["d"], ["e"], ["f"], ["g"]]),
        ('a \'b c\' "d \\" e" f\\ g', [["a", "b c", 'd " e', "f g"]]),
        ("a $(b (c) d)e `f g`", [["a", "$(b (c) d)e", "`f g`"]]),
        ("a # b\nc#d", [["a"], ["c#d"]]),
        ("a >b 2>&1 <<< c d", [["a", "d"]]),
        ("a \\\n b\nc", [["a", "b"], ["c"]]),
        ("a 'b", [["a", "'b"]]),
        ("(a; b) { c; }", [["a"], ["b"], ["{", "c"], ["}"]]),
        ('$( ${ ` " ( )', [["$"], ["${", "`", '"']]),
        ("", []),
    ],
)
def test_how_shell_text_is_cut(text: str, expected: list[list[str]]) -> None:
    assert [[word.value for word in line.words] for line in commands(text)] == expected


def test_variables_that_have_one_plain_value_are_filled_in() -> None:
    assert expanded("A=x\nB = ${A}/y\n$B $C").endswith("$C".join(["x/y ", ""]))
    assert expanded("A=x\nA=y\n$A").endswith("$A")
    assert expanded("A=${A:-x}\n${A}").endswith("\nx")
    assert len(expanded("A=" + "$B" * 100 + "\nB=" + "$A" * 100 + "\n$A")) < 1_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/a", ("/a", "volume", "")),
        ("b:/a", ("/a", "volume", "b")),
        ("./b:/a:rw,z", ("/a", "bind", "./b")),
        ("${X:-/b}:/a", ("/a", "bind", "${X:-/b}")),
        (r"C:\b:C:\a", (r"C:\a", "bind", r"C:\b")),
    ],
)
def test_the_short_form_of_a_mount(text: str, expected: tuple[str, str, str]) -> None:
    found = mount(text, "", 0)
    assert found is not None
    assert found[:3] == expected


def test_ports() -> None:
    texts = ("80", "8080:80", "127.0.0.1:1:2/udp", "3000-3001:3000-3001", "${A:-1}:${B:-2}", "1:$B")
    assert [port(text) for text in texts] == ["80", "80", "2/udp", "3000-3001", "2", "*"]


NINE = [", ".join([f"*a{number}"] * 9) for number in range(20)]
BOMB = "a0: &a0 {k0: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{NINE[n - 1]}], l{n}: [{NINE[n - 1]}]}}\n" for n in range(1, 20)
)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "text",
    [
        BOMB + "services: {web: {<<: *a19, build: ., command: *a19, ports: *a19, image: x}}",
        "services: &s {web: *s, build: ., image: x}",
        "services: {web: {build: [1], command: {a: 1}, ports: 1, volumes: {a: 1}, tmpfs: [[1]]}}",
        "services: {web: {build: ., healthcheck: [1], develop: x, user: [1], extends: [1]}}",
        "apiVersion: [v1]\nkind: {a: 1}\nspec: {containers: [{image: x, command: 1, ports: [1]}]}",
        "apiVersion: v1\nkind: x\nspec: {containers: [{image: [x], args: 1}, 1], volumes: 1}",
        "steps: [{name: docker, args: {a: 1}, with: [1], uses: docker/build-push-action}]",
        "? [a, b]\n: {image: x}\n? {a: 1}\n: 2\n",
        "image: !!binary x\nservices: !reset [1]\n",
        "image: &a 1\nx: &a 2\ny: *a\n",
        "image: 2024-99-99\nx: 99999999999999999999999:99\n",
        "services: " + "[" * 5000,
        "services:\n" + "".join(" " * n + "image:\n" for n in range(1, 400)),
        "image: {{ {{ {% }} %}\n\t- x: [\n",
        "image: \x00",
        "docker run 'image: \"$( ` \\",
    ],
)
def test_odd_yaml_is_read_or_named(text: str) -> None:
    for name in ("compose.yml", "x.yaml", "heroku.yml", "render.yaml", "skaffold.yaml"):
        said({name: text})


def test_what_is_not_read_is_named() -> None:
    found = said({"a.yml": "image: [", "b.sh": "docker " + "x" * 300_000})
    assert [(entry.value, entry.path) for entry in found.unknown] == [
        ("too large to be read", "b.sh"),
        ("not read as YAML: ParserError", "a.yml"),
    ]


def test_yaml_that_is_broken_is_read_by_line() -> None:
    assert said({"a.yml": "run: docker build --target dev .\nx: ["}).targets == {"dev"}


def test_the_number_of_files_is_bounded() -> None:
    files = {f"{number:03}.sh": "docker build --target dev .\n" for number in range(420)}
    assert said(files).unknown[0].value == "more than 400 files that may say something"
    deep = said({"a/" * 14 + "x.sh": "docker build --target dev ."})
    assert deep.targets == set()
    assert deep.unknown[0].value == "folders deeper than 12"
    assert said({"node_modules/x.sh": "docker build --target dev ."}) == Invocations()


def test_a_template_keeps_its_lines() -> None:
    text = 'a: {{ .x }}\n{{- if y }}\nb: ${{ env.Z }}\n{{/*\n*/}}\nc: {{ f "x" }}\n'
    assert filled(text) == "a: $x\n\nb: $Z\n\n\nc: $TEMPLATE\n"
    assert documents(filled(text))[0].get("c").line == 6


def test_the_same_again() -> None:
    files = {"compose.yml": COMPOSE, "k8s.yaml": MANIFEST, "run.sh": BUILT}
    assert said(files) == said(dict(reversed(files.items())))
