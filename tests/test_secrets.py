"""What is taken for a secret, that no value is told, and what a secret mount has to show."""

import re
from pathlib import Path, PurePath

import pytest

from bench.secrets import findings
from refactor.compose import attempt, refactor
from refactor.config import Config
from refactor.context import DiskContext
from refactor.effects import declared_values
from refactor.engine import Changed, run
from refactor.facts import build_secrets, secret_words
from refactor.facts.secrets import Use, secrets
from refactor.knowledge import table
from refactor.model import Change, Claim, Effect, Refusal, Safety
from refactor.project import Site
from refactor.registry import ordered, select
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span
from refactor.syntax import parse
from tests.corpus import folder
from tests.snapshots import run as with_transforms
from tests.snapshots import snapshot as with_files

FIXTURES = Path(__file__).parent.parent / "fixtures"
MOUNT = "--mount=type=secret,id=NPM_TOKEN,env=NPM_TOKEN,required=true"


def snapshot(text: str, engine: str = "buildkit") -> Snapshot:
    """Return a Dockerfile that stands alone."""
    return Snapshot(PurePath("Dockerfile"), text, parse(text), engine=engine)


def mounted(text: str) -> str:
    """Return a Dockerfile with its secrets mounted; no change may be dropped."""
    found = refactor(snapshot(text), ordered(select(("mount-build-secrets",), ())), Safety.RISKY)
    assert not found.drops
    return found.snapshot.text


def refused(text: str, engine: str = "buildkit") -> list[str]:
    """Return the codes of the refusals."""
    found = build_secrets.plans(snapshot(text, engine))
    return [plan.code for plan in found if isinstance(plan, Refusal)]


def test_every_row_of_the_table_is_a_pattern_with_a_source() -> None:
    for row in table("secrets"):
        assert all(row.values()), row
        if row["kind"] != "placeholder-words":
            re.compile(row["pattern"])


@pytest.mark.parametrize(
    "name",
    "PASSWORD DB_PASSWORD MYSQL_ROOT_PASSWORD sa_password cfconfig_adminPassword "
    "DB_PASS DBPASS NPM_TOKEN "
    "GITHUB_TOKEN SECRET_KEY SECRET_KEY_BASE AWS_SECRET_ACCESS_KEY apiSecret API_KEY "
    "STRIPE_API_KEY "
    "GITHUB_PAT SSH_PRIVATE_KEY COMPOSER_AUTH GOOGLE_CREDENTIALS CLIENT_SECRET".split(),
)
def test_names_of_secrets(name: str) -> None:
    assert secret_words.of_name(name)


@pytest.mark.parametrize(
    "name",
    "PASSWORD_FILE KMS_KEY_ALIAS AWS_ACCESS_KEY_ID SIGNING_KEY_NAME AUTH_MODE SSH_AUTH_SOCK "
    "GPG_KEY GPG_KEYS "
    "PASSWORD_PROMPT MYSQL_ALLOW_EMPTY_PASSWORD MYSQL_RANDOM_ROOT_PASSWORD SITE_KEY "
    "PUBLIC_KEY SSH_PUBLIC_KEY "
    "TOKENIZERS_PARALLELISM NEXT_PUBLIC_API_KEY PAD_TOKEN SECRET_NAME TOKEN_URL "
    "AUTHORS KEEPASSXC_VERSION "
    "OLD_LLVMPASS COMPASS MONKEY PGP_KEYSERVER VALKEY_VERSION GOOGLE_APPLICATION_CREDENTIALS "
    "USE_GKE_GCLOUD_AUTH_PLUGIN JWT_SECRET_PATH PATH".split(),
)
def test_names_of_no_secrets(name: str) -> None:
    assert not secret_words.of_name(name)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "changeme",
        "your-token-here",
        "<token>",
        "secret",
        "xxxx",
        "1",
        "not-a-real-token",
        "EXAMPLEEXAMPLE",
        "true",
    ],
)
def test_placeholders(value: str) -> None:
    assert secret_words.is_placeholder(value)


@pytest.mark.parametrize(
    "value", ["D0cker!a8s", "Tr0ub4dor", "benchmarkdbpass", "pZWEVzA7h2FcKLgV"]
)
def test_values_that_stand_for_themselves(value: str) -> None:
    assert not secret_words.is_placeholder(value)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".env", True),
        ("app/.env.production", True),
        ("id_rsa", True),
        ("certs/tls.key", True),
        (".aws/credentials", True),
        ("service-account.json", True),
        ("privkey.pem", True),
        (".env.example", False),
        ("id_rsa.pub", False),
        ("ca.pem", False),
        ("repomd.xml.key", False),
        ("nginx_signing.key", False),
        ("truststore.jks", False),
        ("config.json", False),
        (".npmrc", False),
        ("pip.conf", False),
        ("environment", False),
        ("test/server.key", False),
        ("test-server.key", False),
    ],
)
def test_files(path: str, found: bool) -> None:
    assert bool(secret_words.of_file(path)) is found


FORMS = {
    "an AWS access key": "AKIA" + "Q2" * 8,
    "a GitHub token": "ghp_" + "a1" * 18,
    "a GitLab token": "glpat-" + "a1" * 10,
    "an npm token": "npm_" + "a1" * 18,
    "a PyPI token": "pypi-AgE" + "a1" * 30,
    "a private key": "-----BEGIN OPENSSH PRIVATE KEY-----",
    "a Google API key": "AIza" + "a1" * 17 + "b",
    "a Slack token": "xoxb-" + "1" * 12,
    "a URL with a password": "https://bob:Tr0ub4dor@example.com/simple",
    "a user and a password": "curl -fsS -u bob:Tr0ub4dor https://example.com",
    "a header with a token": 'curl -H "Authorization: Bearer abcdef0123456789" https://example.com',
    "a password that is set": "echo 'bob:Tr0ub4dor' | chpasswd",
    "a token of npm": "echo //registry.example.com/:_authToken=abcdef0123456789 > .npmrc",
}


@pytest.mark.parametrize("what", FORMS)
def test_forms_of_values(what: str) -> None:
    found = list(secret_words.values(f"x {FORMS[what]}"))
    assert [value.what for value in found] == [what]
    told = secret_words.mask(f"x {FORMS[what]}")
    assert "****" in told
    assert not list(secret_words.values(told))


@pytest.mark.parametrize(
    "text",
    [
        "curl -u bob:$TOKEN https://example.com",
        "https://bob:${TOKEN}@example.com/",
        "git@github.com:a/b.git",
        "postgres://user:password@db/app",
        "pip install --user git+https://example.com/a.git@v1",
        "date -u +%Y-%m-%dT%H:%M:%SZ",
        'curl -H "Authorization: Bearer $TOKEN" https://example.com',
        "docker run -u 0:0 image",
        'echo "root:root" | chpasswd',
        "wget https://example.com:8443/@scope/a",
    ],
)
def test_what_holds_no_secret(text: str) -> None:
    assert not list(secret_words.values(text))


def test_a_long_text_takes_little_time() -> None:
    for piece in ("echo a:", "curl -u ", "https://a:", "Authorization: Bearer ", "a_", "changeme-"):
        text = piece * 20_000
        list(secret_words.values(text))
        secret_words.mask(text)
        secret_words.is_placeholder(text)
        secret_words.of_file(text)


def test_a_long_file_takes_little_time() -> None:
    for piece in (" ", '"', "<aa>", "<add ", '"bearer": {', "password ", "token="):
        for name in ("auth.json", "settings.xml", "nuget.config", ".netrc", "credentials.toml"):
            list(secret_words.inside(name, "<password>" + piece * 60_000))


def test_uses() -> None:
    text = (
        "FROM a AS b\nARG NPM_TOKEN\nENV API_KEY=Tr0ub4dor\nRUN x\n"
        "FROM a\nENV DB_PASSWORD=Tr0ub4dor ROOT_PASSWORD=changeme\n"
        "COPY --from=b /x /x\nCOPY .env /x/\n"
    )
    found = [(s.name, s.use, s.literal) for s in secrets(snapshot(text))]
    assert found == [
        ("NPM_TOKEN", Use.BUILD, False),
        ("API_KEY", Use.BUILD, True),
        ("DB_PASSWORD", Use.RUN_TIME, True),
        ("ROOT_PASSWORD", Use.PLACEHOLDER, True),
        (".env", Use.RUN_TIME, False),
    ]


HOLDING = (
    "FROM python:3.12\nENV DB_PASSWORD=Zx81QQpLm3\nARG API_TOKEN=Zx81QQpLm4\n"
    "RUN pip install --index-url https://bob:Zx81QQpLm5@pypi.example.com/simple flask\n"
    "RUN apt install -y git && API_KEY=Zx81QQpLm6 make TOKEN=Zx81QQpLm7\n"
    'LABEL a="//r/:_authToken=Zx81QQpLm8"\n'
)


@pytest.mark.parametrize("level", list(Safety))
def test_no_report_tells_a_value_outside_a_difference(level: Safety) -> None:
    config = Config(select=("all",), level=level, detail=True)
    result = run("Dockerfile", HOLDING.encode(), config)
    told = [
        text
        for r in result.remarks
        for text in (r.reason, r.unlock, *r.assumes, *(r.detail.claims if r.detail else ()))
    ]
    assert any("****" in text for text in told) or level is Safety.SAFE
    assert not any("Zx81" in text for text in told)


def test_a_broken_file_is_refused_without_its_value() -> None:
    result = run("Dockerfile", b"FROM a\nENV API_TOKEN=Zx81QQpLm3 x\n", Config())
    assert "Zx81" not in repr(result)


def test_no_value_of_the_bad_files_is_told() -> None:
    path = folder() / "bad" / "secrets-in-env.Dockerfile"
    result = run(
        path.name, path.read_bytes(), Config(select=("all",), level=Safety.RISKY, detail=True)
    )
    diffs = "".join(r.detail.diff for r in result.remarks if r.detail)
    for value in ("not-a-real-token", "EXAMPLEEXAMPLE"):
        assert value not in "\n".join(r.reason + r.unlock for r in result.remarks)
        assert value not in diffs or f"-ARG TOKEN={value}" not in diffs


# What a person has read of the corpus and found to be a secret; one, the key that distributions
# build Chromium with, is known to everybody.
READ_BY_A_PERSON = frozenset(
    "NPM_TOKEN DATABASE_URL TECHEMPOWER_POSTGRES_URL POSTGRES_URL PG_PASS sa_password PASSWORD "
    "ACTIVESTATE_API_KEY certs/tls.key certs/server.jks SSH_PRIVATE_KEY SECRET_KEY "
    "ROCKET_BENCHMARK_DATABASE_URL POSTGRES_PASSWORD POSTGRES_CONN PGRST_DB_URI "
    "PGADMIN_SETUP_PASSWORD NAGIOSADMIN_PASS MYSQL_PASSWORD MYSQL_PASS LICENSE_KEY LDAP_ROOTPASS "
    "LANGFLOW_SUPERUSER_PASSWORD DB_PASSWORD DBPASS BCPP_PG_CONN_STR".split()
)


def test_what_is_told_of_the_corpus_has_been_read() -> None:
    found = [secret for _, _, secret in findings(folder()) if secret.use is not Use.PLACEHOLDER]
    assert {secret.name for secret in found if secret.name} <= READ_BY_A_PERSON
    in_commands = [secret.what for secret in found if not secret.name]
    assert sorted(in_commands) == ["a Google API key"] + ["a password that is set"] * 6


def test_each_run_that_may_read_it_gets_the_mount() -> None:
    text = (
        "FROM node:22\nRUN npm i -g a\nARG NPM_TOKEN\nRUN mkdir -p /a && chown 1 /a\n"
        'RUN npm ci\nUSER node\nRUN ["npm", "run", "b"]\nRUN echo $NPM_TOKEN\n'
    )
    wanted = (
        "FROM node:22\nRUN npm i -g a\nRUN mkdir -p /a && chown 1 /a\n"
        f'RUN {MOUNT} npm ci\nUSER node\nRUN {MOUNT} ["npm", "run", "b"]\n'
        f"RUN {MOUNT} echo $NPM_TOKEN\n"
    )
    assert mounted(text) == wanted
    assert mounted(wanted) == wanted


def test_an_argument_that_may_be_empty_is_not_required() -> None:
    found = mounted('FROM node:22\nARG NPM_TOKEN=""\nRUN npm ci\n')
    assert found == f"FROM node:22\nRUN {MOUNT.removesuffix(',required=true')} npm ci\n"


def test_a_stage_that_declares_it_and_reads_nothing_loses_it_too() -> None:
    text = (
        "FROM node:22 AS a\nARG NPM_TOKEN\nRUN npm ci\nFROM debian\n{}ARG NPM_TOKEN\nRUN mkdir /a\n"
    )
    assert mounted(text.format("")).count("NPM_TOKEN") == MOUNT.count("NPM_TOKEN")
    assert refused(text.format("# ours\n")) == ["X710"]


def test_two_secrets_are_mounted_one_after_the_other() -> None:
    found = mounted("FROM node:22\nARG NPM_TOKEN\nARG GH_TOKEN\nRUN npm ci\n")
    assert found.count("type=secret") == 2
    assert "ARG" not in found


def test_stages_that_declare_it_change_together() -> None:
    found = mounted(
        "FROM node:22 AS a\nARG NPM_TOKEN\nRUN npm ci\n"
        "FROM node:22 AS b\nARG NPM_TOKEN\nRUN npm ci\n"
        "FROM debian\nCOPY --from=a /a /a\nCOPY --from=b /a /b\n"
    )
    assert found.count(MOUNT) == 2
    assert "ARG" not in found


@pytest.mark.parametrize(
    "script",
    [
        'echo "//r/:_authToken=$NPM_TOKEN" > .npmrc && npm ci',
        'echo "//r/:_authToken=$NPM_TOKEN" > .npmrc && cd /b && rm .npmrc',
        'echo "$NPM_TOKEN" | tee /t',
        'printf "machine h login a password $NPM_TOKEN" > ~/.netrc && npm ci',
        "git config --global url.https://$NPM_TOKEN@h/.insteadOf https://h/ && npm ci && "
        "git config --global --unset url.https://$NPM_TOKEN@h/.insteadOf",
        'npm config set //r/:_authToken "$NPM_TOKEN" && npm ci && rm -f .npmrc',
        "git config --global url.https://$NPM_TOKEN@h/.insteadOf https://h/ && go mod download",
        "git clone https://$NPM_TOKEN@example.com/a",
        'echo "$NPM_TOKEN" | docker login -u a --password-stdin',
        "{ echo a; echo $NPM_TOKEN; } > /t",
        "env > /t",
        "envsubst < a > b",
        'sed -i "s/x/$NPM_TOKEN/" /t',
        "cat <<EOF > /t\n$NPM_TOKEN\nEOF",
        "yarn config set npmAuthToken $NPM_TOKEN && yarn && rm ~/.yarnrc",
        "npm config set -L project //r/:_authToken $NPM_TOKEN && npm ci && rm ~/.npmrc",
        "git config url.https://$NPM_TOKEN@h/.insteadOf https://h/ && rm ~/.gitconfig",
        "pip install -e git+https://$NPM_TOKEN@github.com/a/b#egg=b",
        "python -m pip install --editable git+https://$NPM_TOKEN@github.com/a/b#egg=b",
        "npm install git+https://$NPM_TOKEN@github.com/a/b.git",
        "yarn add git+https://$NPM_TOKEN@github.com/a/b.git",
        "pnpm add https://$NPM_TOKEN@github.com/a/b.git",
        "uv add git+https://$NPM_TOKEN@github.com/a/b",
        "go env -w GOPROXY=https://b:$NPM_TOKEN@h",
        'go build -ldflags "-X main.token=$NPM_TOKEN"',
        "helm repo add a https://h --password $NPM_TOKEN",
        "gem sources --add https://b:$NPM_TOKEN@h",
        "ngrok config add-authtoken $NPM_TOKEN",
        "ngrok authtoken $NPM_TOKEN",
        "dvc remote modify origin password $NPM_TOKEN",
        "jf c add a --access-token=$NPM_TOKEN",
        "jfrog c add a --access-token=$NPM_TOKEN",
        "luarocks upload --api-key=$NPM_TOKEN a",
        "cmake -DTOKEN=$NPM_TOKEN .",
        "./configure --with-token=$NPM_TOKEN",
        "crudini --set f a b $NPM_TOKEN",
        "VITE_API_TOKEN=$NPM_TOKEN npm run build",
        "export NEXT_PUBLIC_T=$NPM_TOKEN && npm run build",
        "A=$NPM_TOKEN; REACT_APP_T=$A npm run build",
        "env VUE_APP_T=$NPM_TOKEN npm run build",
        "echo VITE_T=$NPM_TOKEN > .env && npm run build && rm .env",
        "conda install -c https://h/t/$NPM_TOKEN/a b",
        "npx webpack --env token=$NPM_TOKEN",
        "poetry config http-basic.a b $NPM_TOKEN",
        "composer config -g github-oauth.github.com $NPM_TOKEN",
        "conda config --add channels https://h/t/$NPM_TOKEN/a",
        "bundle config set --global h b:$NPM_TOKEN",
        "aws configure set aws_secret_access_key $NPM_TOKEN",
        "gcloud auth login --token $NPM_TOKEN",
        "az login -p $NPM_TOKEN",
        "docker login -p $NPM_TOKEN",
        "snyk auth $NPM_TOKEN",
        "sentry-cli login --auth-token $NPM_TOKEN",
        "git remote set-url origin https://$NPM_TOKEN@h/a",
        "svn checkout --password $NPM_TOKEN https://h/a",
        "dotnet nuget add source https://h -p $NPM_TOKEN --store-password-in-clear-text",
        "sudo sed -i s/a/$NPM_TOKEN/ /t",
        "jq --arg a $NPM_TOKEN . f > g",
        "openssl passwd -out /t $NPM_TOKEN",
        "htpasswd -bc /t a $NPM_TOKEN",
        "useradd -p $(openssl passwd $NPM_TOKEN) bob",
        'echo "a:$NPM_TOKEN" | chpasswd',
        "mysql -e \"set password = '$NPM_TOKEN'\"",
        "terraform init -backend-config=token=$NPM_TOKEN",
        "wget https://h/a?token=$NPM_TOKEN",
        "curl -v -H $NPM_TOKEN https://h 2> /t",
        "echo $NPM_TOKEN | sudo tee /t",
        "echo $NPM_TOKEN | dd of=/t",
        "echo $NPM_TOKEN | install -m 600 /dev/stdin /t",
        "echo $NPM_TOKEN | cp /dev/stdin /t",
        "echo $NPM_TOKEN | sponge /t",
        "echo $NPM_TOKEN | ./a",
        "env | grep NPM > /t",
        "env | sort | tee /t",
        "printenv | sort > /t",
        "printenv > /t",
        "set | grep NPM > /t",
        "export -p | cat > /t",
        "declare -p > /t",
        "(env) > /t",
        "cat /proc/self/environ > /t",
        "echo $(env | base64) > /t",
        "T=$NPM_TOKEN; echo $T > /t",
        'export T=$NPM_TOKEN && echo "$T" > /t',
        "T=$NPM_TOKEN; U=a$T; echo $U > /t",
        "T=$(env) && echo $T > /t",
        "printf -v T %s $NPM_TOKEN && echo $T > /t",
        "for t in $NPM_TOKEN; do echo $t > /t; done",
        "echo $NPM_TOKEN | while read t; do echo $t > /t; done",
        'sh -c "echo $NPM_TOKEN > /t"',
        "bash -c 'echo $NPM_TOKEN > /t'",
        "sh -c 'env > /t'",
        "echo a | xargs -I{} sh -c 'echo {} $NPM_TOKEN > /t'",
        'eval "echo $NPM_TOKEN > /t"',
        "python -c \"open('/t', 'w').write('$NPM_TOKEN')\"",
        "python -c \"import os; open('/t', 'w').write(str(os.environ))\"",
        'f() { echo "$NPM_TOKEN"; }; f > /t',
        "A=$(echo $NPM_TOKEN | tee /t) npm ci",
        "echo $NPM_TOKEN > /tmp/x && cp /tmp/x /y && rm /tmp/x",
        "echo $NPM_TOKEN > /tmp/x && cat /tmp/x > /etc/y && rm /tmp/x",
        "echo $NPM_TOKEN > /tmp/x && cp -r /tmp /y && rm /tmp/x",
        "echo $NPM_TOKEN > /tmp/x && ./a && rm /tmp/x",
        "echo $NPM_TOKEN > /tmp/x && F=/tmp/x && cat $F > /y && rm /tmp/x",
        "echo $NPM_TOKEN > /tmp/x && sh -c 'cp /tmp/x /y' && rm /tmp/x",
        "{ echo $NPM_TOKEN > /tmp/x; cat /tmp/x; } > /y && rm /tmp/x",
    ],
)
def test_a_secret_that_stays_in_the_layer_is_refused(script: str) -> None:
    assert refused(f"FROM node:22\nARG NPM_TOKEN\nRUN {script}\n") == ["X705"]


@pytest.mark.parametrize(
    "script",
    [
        'echo "//r/:_authToken=$NPM_TOKEN" > .npmrc && npm ci && rm -f .npmrc',
        'echo "//r/:_authToken=$NPM_TOKEN" > ~/.npmrc && npm ci && rm -f ~/.npmrc',
        'echo "machine h login a password $NPM_TOKEN" > ~/.netrc && npm ci && rm -f ~/.netrc',
        'echo "https://a:$NPM_TOKEN@h" > ~/.git-credentials && npm ci && rm ~/.git-credentials',
        'npm config set //r/:_authToken "$NPM_TOKEN" && npm ci && rm -f ~/.npmrc',
        "git config --global url.https://$NPM_TOKEN@h/.insteadOf https://h/ && go get a "
        '&& rm "$HOME/.gitconfig"',
        'curl -fsSL -H "Authorization: Bearer $NPM_TOKEN" https://example.com/a > /a',
        "echo $NPM_TOKEN > /dev/null",
        "pip install git+https://$NPM_TOKEN@example.com/a",
        "echo $NPM_TOKEN > /tmp/x && chmod 600 /tmp/x && npm ci --userconfig /tmp/x && rm /tmp/x",
        'T=$NPM_TOKEN && curl -fsSL -H "Authorization: $T" https://example.com/a > /a',
        'curl -H "Authorization: $(echo $NPM_TOKEN | base64)" https://example.com/a -o /a',
        "curl -fsSL https://example.com/a?token=$NPM_TOKEN | tar xz",
        "set -e; npm ci",
        "dart pub token add https://h --env-var NPM_TOKEN",
    ],
)
def test_what_does_not_stay_is_mounted(script: str) -> None:
    text = f"FROM node:22\nARG NPM_TOKEN\nRUN {script}\n"
    assert mounted(text) == f"FROM node:22\nRUN {MOUNT} {script}\n"


def test_what_bundlers_compile_into_their_output_is_no_secret() -> None:
    value = "sk_live_" + "a1" * 12
    text = "FROM node:22\nARG VITE_API_KEY={}\nRUN mkdir /a\nRUN npm run build\n"
    assert refused(text.format(value)) == ["X705"]


@pytest.mark.parametrize(
    ("syntax", "known"),
    [
        ("docker/dockerfile:1", True),
        ("docker/dockerfile", True),
        ("docker.io/docker/dockerfile:1.10.0", True),
        ("docker/dockerfile:1.20-labs", True),
        ("docker/dockerfile:1@sha256:ab", True),
        ("docker/dockerfile:1.9", False),
        ("docker/dockerfile:1.4", False),
        ("docker/dockerfile:experimental", False),
        ("example.com/frontend:1", False),
    ],
)
def test_frontends(syntax: str, known: bool) -> None:
    text = f"# syntax={syntax}\nFROM node:22\nARG NPM_TOKEN\nRUN npm ci\n"
    assert refused(text) == ([] if known else ["X701"])


def test_other_builders_do_not_know_it() -> None:
    assert refused("FROM node:22\nARG NPM_TOKEN\nRUN npm ci\n", "buildah") == ["X701"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ARG NPM_TOKEN\nFROM node:22\nARG NPM_TOKEN\nRUN npm ci\n", "X704"),
        ("FROM node:22\nARG NPM_TOKEN\nARG URL=https://$NPM_TOKEN@h\nRUN npm ci\n", "X704"),
        ("FROM node:22\nARG NPM_TOKEN=\nRUN set -eu; npm ci\n", "X703"),
        ("FROM node:22\nARG NPM_TOKEN=$TOKEN\nRUN npm ci\n", "X704"),
        ("FROM node:22\nARG A NPM_TOKEN\nRUN npm ci\n", "X704"),
        ("FROM node:22\nARG NPM_TOKEN\nRUN npm ci\nARG NPM_TOKEN\n", "X704"),
        ("FROM node:22\nARG NPM_TOKEN\nRUN --mount=type=secret,id=NPM_TOKEN npm ci\n", "X704"),
        ("FROM node:22\nARG NPM_TOKEN\nRUN npm ci\nCMD npm start $NPM_TOKEN\n", "X702"),
        ("FROM node:22\nARG NPM_TOKEN\nRUN npm ci\nONBUILD RUN npm ci\n", "X706"),
        (
            "FROM node:22 AS a\nARG NPM_TOKEN\nENV NPM_TOKEN=x$NPM_TOKEN\nRUN npm ci\n"
            "FROM debian\nCOPY --from=a /a /a\n",
            "X704",
        ),
    ],
)
def test_refusals(text: str, code: str) -> None:
    assert code in refused(text)
    assert mounted(text) == text


BEFORE = (
    "FROM node:22 AS a\nARG NPM_TOKEN\nENV NPM_TOKEN=$NPM_TOKEN\nRUN npm ci\nRUN npm run b\n"
    "FROM a\n"
)
BUILDER = BEFORE.replace("FROM a\n", "FROM debian\nCOPY --from=a /a /a\n")
RIGHT = (
    f"FROM node:22 AS a\nRUN {MOUNT} npm ci\nRUN {MOUNT} npm run b\n"
    "FROM debian\nCOPY --from=a /a /a\n"
)


def verdict(before: str, after: str) -> str:
    """Return why a text is not the other with its secret mounted, empty if it is."""
    claim = Claim(Effect.SECRETS, build_secrets.footprint("a", "NPM_TOKEN"))
    change = Change("", (Edit(Span(0, len(before)), after),), (claim,), Safety.RISKY)
    return attempt(snapshot(before), [change])[1]


def test_the_model_accepts_what_is_right() -> None:
    assert not verdict(BUILDER, RIGHT)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (BUILDER, RIGHT.replace(f"{MOUNT} npm run", "npm run")),
        (BUILDER, RIGHT.replace(f"{MOUNT} npm ci", "npm ci")),
        (BUILDER, RIGHT.replace("id=NPM_TOKEN", "id=OTHER")),
        (BUILDER, RIGHT.replace("env=NPM_TOKEN", "env=OTHER")),
        (BUILDER, RIGHT.replace("AS a\n", "AS a\nARG NPM_TOKEN\n")),
        (BUILDER, RIGHT.replace("AS a\n", "AS a\nENV NPM_TOKEN=1\n")),
        (BUILDER, RIGHT.replace("npm run b", "npm run c")),
        (BUILDER, RIGHT.replace(f"RUN {MOUNT} npm run b\n", "")),
        (BEFORE, RIGHT.replace("FROM debian\nCOPY --from=a /a /a\n", "FROM a\n")),
        (
            "FROM node:22 AS a\nARG NPM_TOKEN\nENV NPM_TOKEN=$NPM_TOKEN\nRUN npm ci\n",
            f"FROM node:22 AS a\nRUN {MOUNT} npm ci\n",
        ),
        (
            "FROM node:22 AS a\nARG NPM_TOKEN\nLABEL a=$NPM_TOKEN\nRUN npm ci\n",
            f"FROM node:22 AS a\nLABEL a=$NPM_TOKEN\nRUN {MOUNT} npm ci\n",
        ),
        (
            "FROM node:22 AS a\nARG NPM_TOKEN\nRUN echo $NPM_TOKEN > /t\n",
            f"FROM node:22 AS a\nRUN {MOUNT} echo $NPM_TOKEN > /t\n",
        ),
        (
            "FROM node:22 AS a\nARG NPM_TOKEN\nONBUILD RUN npm ci\nRUN npm ci\n",
            f"FROM node:22 AS a\nONBUILD RUN npm ci\nRUN {MOUNT} npm ci\n",
        ),
    ],
)
def test_the_model_rejects_what_is_wrong(before: str, after: str) -> None:
    assert verdict(before, after)


def test_a_mount_that_nobody_claims_is_rejected() -> None:
    before = "FROM node:22 AS a\nARG NPM_TOKEN\nRUN npm ci\n"
    change = Change("", (Edit(Span(0, len(before)), f"FROM node:22 AS a\nRUN {MOUNT} npm ci\n"),))
    assert attempt(snapshot(before), [change])[1]


KEY = 'SECRET_KEY = "k3-Zq0!xW7"\n'
READ = 'SECRET_KEY = os.environ["SECRET_KEY"]\n'


def settings(text: str, dockerfile: str = "FROM python:3.12\nCOPY . /app/\n") -> dict[str, str]:
    """Return what becomes of a module of settings; no change may be dropped."""
    before = with_files(dockerfile, {"a/settings.py": text})
    found = with_transforms(before, "read-secrets-from-environment")
    assert not found.drops
    return dict(found.snapshot.files)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (KEY, f"import os\n{READ}"),
        (f"import os\n{KEY}", f"import os\n{READ}"),
        (f"from __future__ import annotations\n{KEY}", None),
        (f"# a\r\nimport sys\r\n{KEY}", f"# a\r\nimport os\r\nimport sys\r\n{READ}"),
        (f"A = 'é'\n{KEY}# b\n", f"A = 'é'\nimport os\n{READ}# b\n"),
        ('SECRET_KEY: str = "k3-Zq0!xW7"  # c\n', f"import os\n{READ}"),
    ],
)
def test_a_value_of_settings_is_read_from_the_environment(before: str, after: str | None) -> None:
    found = settings(before)["a/settings.py"]
    assert READ.removeprefix("SECRET_KEY = ").strip() in found
    assert "k3-Zq0" not in found
    compile(found, "settings.py", "exec")
    if after is not None and ":" not in before:
        assert found == after


@pytest.mark.parametrize(
    "text",
    [
        'SECRET_KEY = f"{a}"\n',
        'SECRET_KEY = b"k3-Zq0!xW7"\n',
        'SECRET_KEY = "k3-" "Zq0!xW7"\n',
        'if DEBUG:\n    SECRET_KEY = "k3-Zq0!xW7"\n',
        'A = SECRET_KEY = "k3-Zq0!xW7"\n',
        f"os = 1\n{KEY}",
        f"from b import os\n{KEY}",
        f"{KEY}import os\n",
        f"{KEY}def f():\n    global SECRET_KEY\n    SECRET_KEY = 1\n",
        f"\ufeff{KEY}",
        f"{KEY}x = (\n",
        'SECRET_KEY = "changeme"\n',
        'SECRET_KEY = "/run/secrets/key"\n',
    ],
)
def test_settings_that_are_left(text: str) -> None:
    assert settings(text) == {}


FETCH = "RUN python fetch.py\n"


@pytest.mark.parametrize(
    ("dockerfile", "is_read"),
    [
        (f"FROM python:3.12\n{FETCH}COPY a /app/a\n", True),
        (f"FROM python:3.12 AS b\n{FETCH}FROM python:3.12\nCOPY a /app/a\n", True),
        (f"FROM python:3.12\nCOPY a /app/a\n{FETCH}", False),
        ("FROM python:3.12\nRUN --mount=target=/b python /b/c.py\nCOPY a /app/a\n", False),
        (f"FROM python:3.12\nARG B\nCOPY $B /b/\n{FETCH}COPY a /app/a\n", False),
        ("FROM python:3.12\nONBUILD RUN python fetch.py\nCOPY a /app/a\n", False),
    ],
)
def test_only_a_run_behind_the_settings_can_import_them(dockerfile: str, is_read: bool) -> None:
    assert bool(settings(KEY, dockerfile)) == is_read


def rejected(before: str, after: str, example: str = "SECRET_KEY=\n") -> str:
    """Return why a file is not another with its value read from the environment."""
    found = declared_values.difference(
        {"a.py": before, ".env.example": None},
        {"a.py": after, ".env.example": example},
        "a.py",
        "SECRET_KEY",
        ".env.example",
    )
    return found or ""


def test_the_model_accepts_that_a_value_is_read_from_the_environment() -> None:
    assert not rejected(f"A = 1  # a\n{KEY}", f"import os\nA = 1  # a\n{READ}")


@pytest.mark.parametrize(
    ("after", "example"),
    [
        (f"import os\n{READ}A = 2\n", "SECRET_KEY=\n"),
        (f"import os\n{READ}A = 1\n", "SECRET_KEY=1\n"),
        (f"import os\n{READ}A = 1\n", "OTHER=\n"),
        (f"{READ}A = 1\n", "SECRET_KEY=\n"),
        (f"{READ}import os\nA = 1\n", "SECRET_KEY=\n"),
        (f"import os\nimport sys\n{READ}A = 1\n", "SECRET_KEY=\n"),
        (f"import os\nos = 1\n{READ}A = 1\n", "SECRET_KEY=\n"),
        (f"import os\n{READ}# a\nA = 1\n", "SECRET_KEY=\n"),
        ('import os\nSECRET_KEY = os.environ["OTHER"]\nA = 1\n', "SECRET_KEY=\n"),
        ('import os\nSECRET_KEY = "x"\nA = 1\n', "SECRET_KEY=\n"),
        ("import os\n(\n", "SECRET_KEY=\n"),
    ],
)
def test_the_model_rejects_what_else_is_written(after: str, example: str) -> None:
    assert rejected(f"{KEY}A = 1\n", after, example)


def test_a_file_that_is_claimed_and_another_are_rejected() -> None:
    assert declared_values.difference(
        {"a.py": KEY, "b.py": ""},
        {"a.py": f"import os\n{READ}", "b.py": "1"},
        "a.py",
        "SECRET_KEY",
        "",
    )


def test_a_project_with_a_token_for_the_build_and_a_key_in_its_settings() -> None:
    project = FIXTURES / "python-private-feed"
    wanted = ("mount-build-secrets", "read-secrets-from-environment", "report-secrets")
    config = Config(select=wanted, level=Safety.RISKY)
    before = (project / "Dockerfile").read_bytes()
    result = run("Dockerfile", before, config, Site(DiskContext(project), "Dockerfile", ""))
    assert isinstance(result, Changed)
    assert result.after.decode() == (
        "FROM python:3.11-slim\n\nWORKDIR /app\n\nCOPY fetch.py ./\n"
        "# The token of the private feed; without it, the public one is taken.\n"
        "RUN --mount=type=secret,id=FEED_TOKEN,env=FEED_TOKEN python fetch.py\n\n"
        'COPY app ./app\n\nCMD ["python", "-m", "app"]\n'
    )
    others = {other.path: other.after.decode() for other in result.others}
    assert others["app/settings.py"].endswith(f"import os\n{READ}")
    assert others[".env.example"] == "SECRET_KEY=\n"
    assert not [remark for remark in result.remarks if remark.code]


LEFT = f'FROM node:22\nRUN {MOUNT} echo "$NPM_TOKEN" > ~/.npmrc && npm ci && rm ~/.npmrc\n'


@pytest.mark.parametrize("text", [LEFT, LEFT.replace(f"RUN {MOUNT}", "ARG NPM_TOKEN\nRUN")])
def test_a_secret_that_stays_in_a_layer_is_a_hazard(text: str) -> None:
    assert not snapshot(text).evidence.hazards
    for after in (text.replace(" && rm ~/.npmrc", ""), text.replace("rm ~/.npmrc", "rm .npmrc")):
        found = [hazard.kind for hazard in snapshot(after).evidence.hazards]
        assert found == ["a secret stays in a layer"]
    lost = text.index(" && rm")
    change = Change("", (Edit(Span(lost, lost + len(" && rm ~/.npmrc")), ""),))
    assert attempt(snapshot(text), [change])[1]


def test_a_file_with_a_token_that_a_copy_makes_is_a_hazard() -> None:
    text = "FROM node:22\nARG NPM_TOKEN\nCOPY <<EOF /root/.npmrc\n$NPM_TOKEN\nEOF\nRUN npm ci\n"
    found = [hazard.kind for hazard in snapshot(text).evidence.hazards]
    assert found == ["a secret stays in a layer"]
