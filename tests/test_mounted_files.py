"""Files with secrets that are mounted: what may stand behind the COPY, and what is left."""

import pytest

from refactor.compose import attempt
from refactor.effects.file_secrets import assumptions
from refactor.facts import mountable_files, secret_files
from refactor.knowledge import table
from refactor.model import Change, FileEdits, Refusal, Safety
from refactor.source import Edit, Span
from tests.snapshots import run, snapshot

FILES = {
    "package.json": "{}",
    "a.js": "",
    "src/b.js": "",
    ".npmrc": "//r.example.com/:_authToken=0123456789abcdef\n",
}
PIP = {
    "pip.conf": "[global]\nindex-url = https://bob:Tr0ub4dor@example.com/simple\n",
    ".netrc": "machine example.com login bob password Tr0ub4dor\n",
}
TOP = "FROM node:22\nWORKDIR /a\n"
NPM = "COPY .npmrc ./\nRUN npm ci\n"
END = 'CMD ["node", "a.js"]\n'
MOUNT = "--mount=type=secret,id=npmrc,target=/a/.npmrc,required=true"
OPEN = MOUNT.replace(",req", ",mode=0444,req")


def mounted(text: str, **more: str) -> tuple[str, dict[str, str]]:
    """Return the Dockerfile and the other files that are written; no change may be dropped."""
    found = run(snapshot(text, {**FILES, **more}), "mount-secret-files")
    assert not found.drops
    assert not any("Tr0ub" in r.reason or "0123456" in r.reason for _, r in found.refusals)
    return found.snapshot.text, dict(found.snapshot.files)


def refused(text: str, **more: str) -> list[str]:
    """Return the codes of the refusals; nothing is changed."""
    found = run(snapshot(text, {**FILES, **more}), "mount-secret-files")
    assert not found.drops
    assert not found.steps
    return [refusal.code for _, refusal in found.refusals]


def test_each_row_of_the_table_has_readers_places_and_a_source() -> None:
    for row in table("secret_files"):
        assert all(row.values()), row


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "COPY .npmrc package.json ./\nRUN npm ci\n",
            f"COPY package.json ./\nRUN {MOUNT} npm ci\n",
        ),
        ("COPY ./.npmrc .\nRUN yarn install\n", f"RUN {MOUNT} yarn install\n"),
        (
            "COPY .npmrc ./\nRUN apt-get update && apt-get install -y git\n"
            "RUN npm ci\nRUN npm run b\n",
            "RUN apt-get update && apt-get install -y git\n"
            f"RUN {MOUNT} npm ci\nRUN {MOUNT} npm run b\n",
        ),
        (
            "COPY .npmrc ./\nRUN npm ci || npm i\nRUN chown -R node:node /a\nUSER node\n",
            f"RUN {MOUNT} npm ci || npm i\nRUN chown -R node:node /a\nUSER node\n",
        ),
        (
            "COPY .npmrc ./\nRUN npm ci\nRUN rm -f .npmrc\nRUN make\n",
            f"RUN {MOUNT} npm ci\nRUN make\n",
        ),
        ("COPY .npmrc ./\nRUN npm ci && \\\n    rm -f /a/.npmrc\n", f"RUN {MOUNT} \\\n npm ci\n"),
        ("COPY .npmrc ./\nUSER node\nRUN npm ci\n", f"USER node\nRUN {OPEN} npm ci\n"),
        (
            "COPY .npmrc /root/.npmrc\nRUN npm ci\n",
            f"RUN {MOUNT.replace('/a/', '/root/')} npm ci\n",
        ),
        (
            "COPY .npmrc ./\nRUN --mount=type=cache,target=/root/.npm npm ci\n",
            f"RUN {MOUNT} --mount=type=cache,target=/root/.npm npm ci\n",
        ),
        (
            "COPY .npmrc ./\nRUN --mount=type=bind,source=src,target=/src npm ci\n",
            f"RUN {MOUNT} --mount=type=bind,source=src,target=/src npm ci\n",
        ),
        ("COPY --chown=node:node --chmod=600 .npmrc ./\nRUN npm ci\n", f"RUN {MOUNT} npm ci\n"),
        ('COPY [".npmrc", "./"]\nRUN npm ci\n', f"RUN {MOUNT} npm ci\n"),
        (
            'COPY [".npmrc", "package.json", "."]\nRUN npm ci\n',
            f'COPY ["package.json", "."]\nRUN {MOUNT} npm ci\n',
        ),
        (
            'COPY ["package.json",".npmrc","./"]\nRUN npm ci\n',
            f'COPY ["package.json","./"]\nRUN {MOUNT} npm ci\n',
        ),
        (
            "COPY .npmrc \\\n  a.js\\\n package.json ./\nRUN npm ci\n",
            f"COPY a.js\\\n package.json ./\nRUN {MOUNT} npm ci\n",
        ),
        (
            "COPY a.js\\\n .npmrc ./\nRUN npm ci\n",
            f"COPY a.js\\\n ./\nRUN {MOUNT} npm ci\n",
        ),
        (
            "COPY .npmrc ./\nRUN npm i npm && npm ci && rm .npmrc\nRUN make\n",
            f"RUN {MOUNT} npm i npm && npm ci\nRUN make\n",
        ),
        (
            "COPY .npmrc /root/\nRUN git clone https://e.com/b && npm ci\n",
            f"RUN {MOUNT.replace('/a/', '/root/')} git clone https://e.com/b && npm ci\n",
        ),
        (
            "ARG A\nCOPY .npmrc ./\nCOPY a.js src a.* $A/\nADD https://e.com/x ./\nRUN npm ci\n",
            f"ARG A\nCOPY a.js src a.* $A/\nADD https://e.com/x ./\nRUN {MOUNT} npm ci\n",
        ),
        (
            "COPY .npmrc ./\nRUN export A=$B && apt-get install -y a=$A && npm ci 2>&1 > /b/log\n",
            f"RUN {MOUNT} export A=$B && apt-get install -y a=$A && npm ci 2>&1 > /b/log\n",
        ),
        (
            "COPY .npmrc ./\nRUN apt-get update && rm -rf /var/lib/apt/lists/* && npm ci\n",
            f"RUN {MOUNT} apt-get update && rm -rf /var/lib/apt/lists/* && npm ci\n",
        ),
        ("ADD .npmrc ./\nRUN npm ci\n", f"RUN {MOUNT} npm ci\n"),
        (
            "COPY --chown=node package.json \\\n  .npmrc \\\n  a.js ./\nRUN npm ci\n",
            f"COPY --chown=node package.json \\\n  a.js ./\nRUN {MOUNT} npm ci\n",
        ),
        ("COPY .npmrc a.js ./\nRUN npm ci\n", f"COPY a.js ./\nRUN {MOUNT} npm ci\n"),
        ("COPY .npmrc ./\nRUN chmod 600 .npmrc\nRUN npm ci\n", f"RUN {MOUNT} npm ci\n"),
        ("COPY .npmrc ./\nRUN npm ci && chmod 600 .npmrc\n", f"RUN {MOUNT} npm ci\n"),
        (
            "COPY .npmrc ./\nRUN chown node .npmrc && npm ci && rm .npmrc && mkdir /b\nRUN make\n",
            f"RUN {MOUNT} npm ci && mkdir /b\nRUN make\n",
        ),
        (
            "COPY .npmrc /root/\nRUN npm ci && rm ~/.npmrc\nRUN make\n",
            f"RUN {MOUNT.replace('/a/', '/root/')} npm ci\nRUN make\n",
        ),
        (
            "COPY .npmrc ./\nRUN npm ci\nWORKDIR /b\nRUN npm ci\n",
            f"RUN {MOUNT} npm ci\nWORKDIR /b\nRUN {MOUNT} npm ci\n",
        ),
    ],
)
def test_what_is_mounted(before: str, after: str) -> None:
    text, files = mounted(TOP + before + END)
    assert sorted(text.split()) == sorted((TOP + after + END).split())
    assert "RUN rm" not in text
    assert files == {}
    assert mounted(text) == (text, {})


def test_other_files_and_programs() -> None:
    pip = "--mount=type=secret,id=pipconf,target={},required=true"
    top, end = "FROM python:3.12\n", 'CMD ["python"]\n'
    for place in ("/etc/pip.conf", "/root/.config/pip/pip.conf", "/root/.pip/pip.conf"):
        text = f"{top}COPY pip.conf {place}\nRUN python -m pip install a\n{end}"
        assert f"RUN {pip.format(place)} python" in mounted(text, **PIP)[0]
    text = f"{top}COPY .netrc /root/\nRUN pip install a\n{end}"
    assert "id=netrc,target=/root/.netrc,required=true pip" in mounted(text, **PIP)[0]


def test_a_file_in_two_places_of_a_stage_is_mounted_in_both() -> None:
    root = MOUNT.replace("/a/", "/root/")
    text = f"{TOP}COPY .npmrc /root/\nRUN npm i -g b\nCOPY .npmrc ./\nRUN npm ci\n"
    wanted = f"{TOP}RUN {root} npm i -g b\nRUN {root} {MOUNT} npm ci\n{END}"
    assert mounted(text + END) == (wanted, {})
    gone = f"{text}RUN rm .npmrc\nRUN rm ~/.npmrc\nRUN make\nCMD npm start\n"
    assert mounted(gone)[0] == wanted.replace(END, "RUN make\nCMD npm start\n")
    assert refused(text + "RUN rm .npmrc\nRUN make\n") == ["X744"]
    assert refused(text + "RUN rm .npmrc\nCMD npm start\n") == ["X743"]


def test_a_place_where_no_program_looks_gets_no_mount() -> None:
    text = f"FROM golang:1.22\nWORKDIR /a\nCOPY .netrc /root/\nCOPY . .\nRUN go build\n{END}"
    after, files = mounted(text, **{".netrc": PIP[".netrc"], ".npmrc": ""})
    wanted = "--mount=type=secret,id=netrc,target=/root/.netrc,required=true"
    assert f"COPY . .\nRUN {wanted} go build\n" in after
    assert files == {".dockerignore": ".netrc\n"}
    (plan,) = mountable_files.plans(snapshot(text, {".netrc": PIP[".netrc"], "a.js": ""}))
    assert not isinstance(plan, Refusal)
    assert "nothing reads /a/.netrc: no program is known to look for it there" in plan.assumes


def test_a_folder_that_only_the_copy_makes() -> None:
    top = "FROM python:3.12\nCOPY pip.conf /root/.config/pip/\nRUN pip install a\n"
    for needs in (
        "cd /root/.config/pip && mkdir b",
        "echo a > /root/.config/pip/b",
        "mkdir /root/.config/b",
    ):
        assert refused(f"{top}RUN {needs}\n{END}", **PIP) == ["X747"]
        assert (
            "type=secret"
            in mounted(f"{top}COPY a.js /root/.config/pip/\nRUN {needs}\n{END}", **PIP)[0]
        )
    assert "type=secret" in mounted(f"{top}RUN mkdir -p /root/b\n{END}", **PIP)[0]


def test_a_run_that_mounts_the_build_context_needs_the_file_there() -> None:
    bound = "FROM node:22 AS b\nWORKDIR /b\nRUN --mount=type=bind,{}target=/b npm ci\n"
    text = bound + f"{TOP}COPY . .\nRUN npm ci\nCOPY --from=b /x /x\n{END}"
    assert refused(text.format("")) == ["X746"]
    assert refused(text.format("source=.,").replace("type=bind,", "")) == ["X746"]
    assert refused(text.format("source=.npmrc,")) == ["X746"]
    assert MOUNT in mounted(text.format("source=src,"))[0]


GIT = {".git-credentials": "https://bob:Tr0ub4dor@example.com\n"}
GIT_MOUNT = "--mount=type=secret,id=gitcredentials,target=/root/.git-credentials,required=true"
STORE = "RUN git config --global credential.helper store\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            f"COPY .git-credentials /root/\n{STORE}RUN git clone https://e.com/a /b\n",
            f"{STORE}RUN {GIT_MOUNT} git clone https://e.com/a /b\n",
        ),
        (
            f"COPY .git-credentials /root/\nRUN chmod 600 ~/.git-credentials\n{STORE}"
            "RUN pip install git+https://e.com/a\nRUN rm -f ~/.git-credentials\nRUN make\n",
            f"{STORE}RUN {GIT_MOUNT} pip install git+https://e.com/a\nRUN make\n",
        ),
        (
            "COPY .git-credentials /root/\n"
            "RUN git config --global credential.helper store && go mod download\n",
            f"RUN {GIT_MOUNT} git config --global credential.helper store && go mod download\n",
        ),
        (
            "COPY .git-credentials /t/c/\n"
            "RUN git config --global credential.helper 'store --file=/t/c/.git-credentials'\n"
            "RUN git submodule update --init\n",
            "RUN git config --global credential.helper 'store --file=/t/c/.git-credentials'\n"
            f"RUN {GIT_MOUNT.replace('/root/', '/t/c/')} git submodule update --init\n",
        ),
    ],
)
def test_credentials_of_git(before: str, after: str) -> None:
    assert mounted(f"FROM debian:12\n{before}{END}", **GIT) == (f"FROM debian:12\n{after}{END}", {})


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("git clone https://bob:Tr0ub4dor@e.com/a /b", "X747"),
        ("git clone https://$TOKEN@e.com/a /b", "X747"),
        ("git clone --depth 1 --branch main https://bob:0123456789abcdef@e.com/a", "X747"),
        ("git credential approve < a", "X747"),
        ("git config --file ~/.git-credentials a.b c && git fetch", "X747"),
        ("git config --global a.b c > /root/.git-credentials && git fetch", "X744"),
        ("git config --global credential.helper store", "X745"),
        ("cp /root/.git-credentials /b", "X747"),
    ],
)
def test_credentials_of_git_that_are_left(script: str, code: str) -> None:
    text = f"FROM debian:12\nCOPY .git-credentials /root/\nRUN {script}\n{END}"
    assert refused(text, **GIT) == [code]


SECRETS = {
    "auth.json": '{"http-basic": {"e.com": {"username": "bob", "password": "Tr0ub4dor"}}}\n',
    "settings.xml": "<server>\n <id>a</id>\n <password>Tr0ub4dor</password>\n</server>\n",
    "nuget.config": '<a><add key="ClearTextPassword" value="Tr0ub4dor" /></a>\n',
    ".pypirc": "[pypi]\nusername = bob\npassword = Tr0ub4dor\n",
    "credentials.toml": '[registries.a]\ntoken = "Tr0ub4dor123"\n',
    ".netrc": PIP[".netrc"],
}


@pytest.mark.parametrize(
    ("image", "target", "command"),
    [
        ("php:8.3", "/a/auth.json", "composer install"),
        ("php:8.3", "/root/.composer/auth.json", "composer create-project a/b c"),
        ("maven:3-eclipse-temurin-21", "/root/.m2/settings.xml", "mvn package"),
        ("maven:3-eclipse-temurin-21", "/a/settings.xml", "mvn -B -s settings.xml package"),
        ("maven:3-eclipse-temurin-21", "/b/settings.xml", "mvn --settings=/b/settings.xml package"),
        ("mcr.microsoft.com/dotnet/sdk:8.0", "/a/nuget.config", "dotnet restore"),
        ("python:3.12", "/root/.pypirc", "twine upload dist/a.whl"),
        ("rust:1.80", "/usr/local/cargo/credentials.toml", "cargo publish"),
        ("golang:1.22", "/root/.netrc", "go mod download"),
        ("golang:1.22", "/root/.netrc", "git clone https://e.com/a /b"),
    ],
)
def test_files_of_other_programs(image: str, target: str, command: str) -> None:
    name = target.rpartition("/")[2]
    text = f"FROM {image} AS b\nWORKDIR /a\nCOPY {name} {target}\nRUN {command}\n"
    text += "FROM debian:12\nCOPY --from=b /x /x\n"
    found = mounted(text, **{name: SECRETS[name]})[0]
    wanted = f"--mount=type=secret,id={name.replace('.', '')},target={target},required=true"
    assert f"RUN {wanted} {command}\n" in found
    assert f"COPY {name}" not in found


def test_what_is_published_has_the_settings_of_its_folder() -> None:
    files = {"nuget.config": SECRETS["nuget.config"], "b/b.csproj": "<a/>"}
    text = "FROM mcr.microsoft.com/dotnet/sdk:8.0 AS b\nWORKDIR /a\nCOPY nuget.config ./\n"
    text += "COPY b/b.csproj {}\nRUN dotnet {}\nFROM debian:12\nCOPY --from=b /x /x\n"
    for command in ("publish", "build -c Release", "pack", "msbuild", "publish --no-restore"):
        assert refused(text.format("./", command), **files) == ["X747"]
        assert refused(text.format("/", command), **files) == ["X747"]
        assert refused(text.format("b/", command).replace("COPY b", "#"), **files) == ["X747"]
        assert "type=secret" in mounted(text.format("b/", command), **files)[0]
    assert "type=secret" in mounted(text.format("./", "restore"), **files)[0]
    started = text.replace("AS b", "AS a\nFROM a AS b").format("b/", "publish")
    assert refused(started, **files) == ["X747"]
    unclear = text.format("b/\nARG C\nCOPY $C ./", "publish")
    assert refused(unclear, **files) == ["X742"]


@pytest.mark.parametrize(
    ("name", "held", "none"),
    [
        ("auth.json", '{"bearer": {"e.com": "Tr0ub4dor"}}', '{"http-basic": {}}'),
        ("auth.json", '{"password": "Tr0ub4dor"}', '{"password": ""}'),
        ("settings.xml", "<password>Tr0ub4dor</password>", "<password>${env.PASS}</password>"),
        ("settings.xml", "<passphrase>Tr0ub4dor</passphrase>", "<password>{COQLCE6DU=}</password>"),
        ("nuget.config", '<add key="Password" value="Tr0ub4dor"/>', '<add key="a" value="Tr0u"/>'),
        ("NuGet.Config", '<add key="ClearTextPassword" value="Tr0ub4dor"/>',
         '<add key="ClearTextPassword" value="%NUGET_TOKEN%"/>'),
        (".netrc", "machine a\n login b\n password Tr0ub4dor", "machine a login b"),
        ("credentials.toml", 'token = "Tr0ub4dor"', 'token = ""'),
        (".pypirc", "password = Tr0ub4dor", "[distutils]\nindex-servers = a"),
    ],
)  # fmt: skip
def test_which_files_hold_a_secret(name: str, held: str, none: str) -> None:
    text = "FROM debian:12\nCOPY . /a/\n"
    for content, expected in ((held, [name]), (none, [])):
        found = secret_files.held(snapshot(text, {name: content}))
        assert [file.path for file in found] == expected


def test_a_token_that_is_renewed_in_its_file_is_left() -> None:
    text = f"FROM php:8.3\nWORKDIR /a\nCOPY auth.json ./\nRUN composer install\n{END}"
    token = '{"bitbucket-oauth": {"bitbucket.org": {"consumer-secret": "Tr0ub4dor"}}}'
    assert refused(text, **{"auth.json": token}) == ["X747"]
    assert "type=secret" in mounted(text, **{"auth.json": SECRETS["auth.json"]})[0]


def test_words_that_are_no_options_and_no_files() -> None:
    text = "FROM acme/base\nCOPY .netrc /root/\nUSER root\nRUN curl -n https://e.com/a 2>&1 >/b\n"
    assert "type=secret" in mounted(text + END, **PIP)[0]
    text = f"FROM debian:12\nCOPY .netrc /root/\nRUN curl -n https://e.com/a -o -\n{END}"
    assert "type=secret" in mounted(text, **PIP)[0]


def test_a_home_that_an_image_may_have_set() -> None:
    text = "FROM {}\nCOPY .netrc /root/\nUSER root\nRUN curl -n https://e.com/a && rm ~/.netrc\n"
    assert "type=secret" in mounted(text.format("debian:12") + END, **PIP)[0]
    assert refused(text.format("acme/base") + END, **PIP) == ["X747"]
    assert refused(text.format("debian:12\nENV HOME=/b") + END, **PIP) == ["X747"]
    assert refused(text.format("debian:12").replace("rm ~", "rm '~'") + END, **PIP) == ["X747"]


def test_two_files_of_one_name_are_two_secrets() -> None:
    stage = "FROM node:22 AS {0}\nWORKDIR /{0}\nCOPY {0}/.npmrc ./\nRUN npm ci\n"
    text = stage.format("b") + stage.format("c")
    text += f"FROM node:22\nCOPY --from=b /b/x /x\nCOPY --from=c /c/x /y\n{END}"
    more = {f"{folder}/.npmrc": FILES[".npmrc"] for folder in "bc"}
    found = mounted(text, **more)[0]
    assert "id=b_npmrc,target=/b/.npmrc" in found
    assert "id=c_npmrc,target=/c/.npmrc" in found


def test_a_file_that_is_removed_and_comes_again() -> None:
    again = "COPY .npmrc ./\nRUN npm ci\nRUN rm -f .npmrc\nRUN make\nCOPY . .\nRUN npm run b\n"
    text, files = mounted(TOP + again + END)
    assert files == {".dockerignore": ".npmrc\n"}
    after = f"RUN {MOUNT} npm ci\nRUN make\nCOPY . .\nRUN {MOUNT} npm run b\n"
    assert text == TOP + after + END
    assert refused(TOP + again + "CMD npm start\n") == ["X743"]
    assert refused(
        f"{TOP}COPY .npmrc ./\nRUN npm ci\nRUN rm .npmrc\nCOPY . .\nCMD npm start\n"
    ) == ["X743"]


def test_stages_are_looked_at_one_by_one() -> None:
    text = (
        f"{TOP.replace('22', '22 AS b')}COPY package.json .npmrc ./\nRUN npm ci\n"
        "FROM node:22\nCOPY --from=b /a/node_modules /a/node_modules\nCMD npm start\n"
    )
    assert MOUNT in mounted(text)[0]
    for wrong in ("/a /a", "/a/. /a/", "a /a", "/ /c"):
        other = text.replace("/a/node_modules /a/node_modules", wrong)
        assert refused(other) == ["X743"]
    assert refused(text + "FROM b\nRUN x\n") == ["X743"]
    asked = {"README.md": "    docker build --target b .\n"}
    assert refused(text, **asked) == ["X743"]
    assert refused(text + "FROM debian\nRUN --mount=from=b,target=/b x\n") == ["X743"]


def test_a_folder_that_brings_it_is_copied_without_it() -> None:
    text = f"{TOP}COPY . .\nRUN npm ci\n{END}"
    wanted = f"{TOP}COPY . .\nRUN {MOUNT} npm ci\n{END}"
    assert mounted(text) == (wanted, {".dockerignore": ".npmrc\n"})
    rules = {".dockerignore": "node_modules\r\n*.log"}
    assert mounted(text, **rules)[1] == {".dockerignore": "node_modules\r\n*.log\r\n.npmrc\r\n"}
    own = {"Dockerfile.dockerignore": "*.log\n", "b/Dockerfile": "FROM a\nCOPY . .\n"}
    assert mounted(text, **own)[1] == {"Dockerfile.dockerignore": "*.log\n.npmrc\n"}
    assert refused(text, **{"b/Dockerfile": "FROM a\nCOPY . .\n"}) == ["X746"]
    assert refused(text.replace(". .", ".npm* ./")) == ["X746"]
    pattern = "COPY packag*.json a.* ./\nCOPY . ."
    assert MOUNT in mounted(text.replace("COPY . .", pattern))[0]
    assert refused(text.replace(". .", "c ."), **{"c/.npmrc": FILES[".npmrc"]}) == ["X746"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("COPY .npmrc ./\nRUN npm ci && node b.js\n", "X744"),
        ("COPY .npmrc ./\nRUN npm ci\nRUN ./b.sh\n", "X744"),
        ("COPY .npmrc ./\nRUN npm ci\nRUN tar cf /b .\n", "X744"),
        ("COPY .npmrc ./\nRUN npm ci\nRUN cat <<EOF\na\nEOF\n", "X744"),
        ("COPY .npmrc ./\nRUN npm ci\nRUN cp -r . /b\n", "X747"),
        ("COPY .npmrc ./\nRUN cp .npmrc /root/ && npm ci\n", "X747"),
        ("COPY .npmrc ./\nRUN mv .npmrc /root/.npmrc && npm ci\n", "X747"),
        ("COPY .npmrc ./\nRUN echo a >> .npmrc && npm ci\n", "X747"),
        ("COPY .npmrc ./\nRUN npm ci && rm -rf /a\n", "X747"),
        ("COPY .npmrc ./\nRUN rm -rf .n* && npm ci\n", "X747"),
        ("COPY .npmrc ./\nRUN npm ci --globalconfig /a/.npmrc\n", "X747"),
        ("COPY .npmrc ./\nRUN npm config set a b && npm ci\n", "X747"),
        ("COPY .npmrc ./\nRUN npm ci; rm -f .npmrc; npm run b\n", "X747"),
        ("COPY .npmrc ./\nRUN --mount=type=bind,target=/a npm ci\n", "X747"),
        ("COPY .npmrc ./\nRUN npm ci\nRUN rm .npmrc\nCOPY . .\nRUN make\n", "X744"),
        ("COPY .npmrc ./\nRUN npm ci > /a/.npmrc\n", "X747"),
        ("COPY .npmrc ./\nRUN if [ -f .npmrc ]; then npm ci; fi\n", "X747"),
        ("COPY .npmrc ./\nRUN cd /b && npm ci\n", "X745"),
        ("COPY .npmrc ./\nRUN mkdir /b\n", "X745"),
        ("COPY .npmrc /a/b/\nRUN npm ci\n", "X745"),
        ("COPY .npmrc /home/node/\nRUN npm ci\n", "X745"),
        ("ENV HOME=/b\nCOPY .npmrc /root/\nRUN npm ci\n", "X745"),
        ("COPY .npmrc ./\nCOPY --link .npmrc /b/\nRUN npm ci\n", "X742"),
        ("ADD --keep-git-dir=true .npmrc ./\nRUN npm ci\n", "X742"),
        ("COPY package.json \\\n  # ours\n  .npmrc ./\nRUN npm ci\n", "X748"),
        ("COPY .npmrc ./\nRUN npm ci && chmod 600 .npmrc package.json\n", "X747"),
        ("COPY .npmrc ./\nRUN npm ci && (cd /b && rm /a/.npmrc)\n", "X747"),
        ("COPY .npmrc ./\nRUN npm ci && rm -f .npmrc && npm cache clean --force\n", "X747"),
        ("COPY .npmrc ./\n# ours\nRUN rm .npmrc\nRUN npm ci\n", "X745"),
        ("COPY .npmrc ./\nRUN npm ci\n# ours\nRUN rm .npmrc\n", "X748"),
        ("COPY .npmrc ./\nRUN --mount=type=cache,target=/a npm ci\n", "X747"),
        ("COPY .npmrc ./\nRUN --mount=target=/a npm ci\n", "X747"),
        ("COPY .npmrc ./\nRUN --mount=type=tmpfs,target=/a npm ci\n", "X747"),
        ('COPY ["package.json", ".npmrc", "../a"]\nRUN npm ci\n', "X742"),
        ("COPY .npmrc ./\nRUN mkdir /b\nCOPY .npmrc /b\nRUN cd /b && npm ci\n", "X742"),
        ("COPY .npmrc ./\nRUN rm -rf /*/*c && npm ci\n", "X747"),
        ("COPY .npmrc ./\nRUN rm -rf /b/*/../../a/x && npm ci\n", "X747"),
        ("COPY .npmrc ./\nRUN rm -rf [.]n* && npm ci\n", "X747"),
        ('COPY [".npmrc", "/a b/"]\nWORKDIR "/a b"\nRUN npm ci\n', "X742"),
        ("COPY .npmrc /a,b/\nWORKDIR /a,b\nRUN npm ci\n", "X742"),
        ("COPY package.json .npmrc .npmrc ./\nRUN npm ci\n", "X742"),
        ("COPY .npm* ./\nRUN npm ci\n", "X746"),
        ("ARG A\nCOPY .npmrc ./\nCOPY $A ./\nRUN npm ci\n", "X742"),
        ("ARG A\nCOPY .npmrc ./\nCOPY a.js $A\nRUN npm ci\n", "X742"),
        ("ARG A\nCOPY .npmrc ./\nCOPY . $A/\nRUN npm ci\n", "X742"),
        ("ARG A\nCOPY .npmrc ./\nCOPY .n* a.js $A/\nRUN npm ci\n", "X742"),
        ("ARG A\nCOPY .npmrc ./\nCOPY [.]npmrc a.js $A/\nRUN npm ci\n", "X742"),
        ("COPY .npmrc ./\nADD https://e.com/.npmrc ./\nRUN npm ci\n", "X742"),
        ("COPY .npmrc ./\nADD https://e.com/a.git ./\nRUN npm ci\n", "X742"),
        ("COPY .npmrc ./\nADD git@e.com:a/b ./\nRUN npm ci\n", "X742"),
        ("COPY .npmrc ./\nADD a.tar.gz ./\nRUN npm ci\n", "X742"),
        ("COPY .npmrc ./\nCOPY dist ./\nRUN npm ci\n", "X742"),
        ("COPY .npmrc /b/\nRUN cd /b && mkdir c\nWORKDIR /b\nRUN npm ci\n", "X747"),
        ("COPY .npmrc ./\nRUN apt-get install -y ./$A && npm ci\n", "X747"),
        ("COPY .npmrc ./\nRUN npm ci > $A\n", "X747"),
        ("COPY .npmrc ./\nCOPY --from=debian /b /a\nRUN npm ci\n", "X742"),
        ("COPY .npmrc ./\nRUN npm ci\nCOPY a.js .npmrc\nRUN npm run b\n", "X742"),
        ("COPY .npmrc ./\nRUN npm ci\nCOPY <<a .npmrc\nb\na\nRUN npm run b\n", "X742"),
        ("COPY .npmrc ./\nRUN --mount=type=secret,id=npmrc npm ci\n", "X747"),
        ("COPY .npmrc ./\nRUN npm ci\nONBUILD RUN npm ci\n", "X743"),
        ("COPY .npmrc ./\nRUN npm ci\nHEALTHCHECK CMD npm run h\n", "X743"),
        ('COPY .npmrc ./\nRUN npm ci\nENTRYPOINT ["/b.sh"]\n', "X743"),
        ("# ours\nCOPY .npmrc ./\nRUN npm ci\n", "X748"),
        ("COPY --chown=node .npmrc /b/c/\nWORKDIR /b/c\nRUN npm ci\n", "X747"),
        ("COPY .npmrc /b/\nRUN chown -R node /b\nWORKDIR /b\nRUN npm ci\n", "X747"),
        ("COPY .npmrc /b/\nWORKDIR /b\nUSER node\nRUN npm ci\n", "X747"),
        ("COPY .npmrc /b/\nRUN chown -R node /\nWORKDIR /b\nRUN npm ci\n", "X747"),
        (f'{NPM}ENTRYPOINT ["node"]\nCMD ["/usr/lib/npm-cli.js", "start"]\n#', "X743"),
        (f'{NPM}ENTRYPOINT ["node", "/usr/bin/npm", "start"]\n', "X743"),
        (f'{NPM}CMD ["npm", "start"]\nFROM node:22\nCOPY --from=0 /a/dist /a\n', "X743"),
        ("ENV B=/b\nCOPY .npmrc /b/\nRUN chown node $B\nWORKDIR /b\nRUN npm ci\n", "X747"),
        ("ENV B=/b\nCOPY .npmrc $B/\nRUN chmod 700 $B\nWORKDIR /b\nRUN npm ci\n", "X747"),
        ("COPY .npmrc /b/\nRUN chmod 700 /b*\nWORKDIR /b\nRUN npm ci\n", "X747"),
    ],
)
def test_what_is_left(text: str, code: str) -> None:
    assert refused(TOP + text + END) == [code]


def test_what_a_container_is_started_with_elsewhere_counts() -> None:
    text = f"{TOP}COPY .npmrc ./\nRUN npm ci\n{END}"
    script = "docker build -t acme/web .\n"
    start = "kind: Pod\napiVersion: v1\nspec:\n  containers:\n"
    start += "    - image: acme/web\n      command: [{}]\n"
    assert refused(text, **{"build.sh": script}) == ["X749"]
    for path in ("build.bat", "Earthfile", "ci/build.py", ".do/app.yaml"):
        assert refused(text, **{path: f"x: {script}"}) == ["X749"], path
    document = {"README.md": f"    {script}"}
    assert refused(text, **document, **{"a.yaml": start.format("npm, start")}) == ["X743"]
    assert MOUNT in mounted(text, **document, **{"a.yaml": start.format("node, b.js")})[0]


def test_python_may_start_pip() -> None:
    top = "FROM python:3.12\nCOPY pip.conf /etc/\nRUN pip install a\n"
    for start in (
        'CMD ["python", "-m", "pip", "list"]\n',
        'ENTRYPOINT ["python"]\nCMD ["-m", "pip", "list"]\n',
        'CMD ["python", "-m", "pip3"]\n',
    ):
        assert refused(top + start, **PIP) == ["X743"]
    assert "type=secret" in mounted(top + 'CMD ["python", "-m", "pipeline"]\n', **PIP)[0]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("Tiltfile", "docker_build('web', '.')\n"),
        ("Earthfile", "FROM DOCKERFILE .\n"),
        ("tekton.yaml", "steps:\n- image: gcr.io/kaniko-project/executor\n"),
        ("build.yaml", "kind: BuildConfig\nspec:\n  strategy:\n    dockerStrategy: {}\n"),
        ("play.yml", "- docker_image: {name: web, build: {path: .}}\n"),
        ("template.yaml", "Metadata:\n  DockerContext: .\n"),
        (".goreleaser.yml", "dockers:\n  - image_templates: [web]\n"),
        ("railway.json", '{"build": {"builder": "DOCKERFILE"}}\n'),
        (".circleci/config.yml", "steps:\n  - docker/publish:\n      image: a\n"),
        ("build.ps1", "docker build -t web .\n"),
        ("build.bat", "docker image build .\r\n"),
        ("tasks.py", "run(['docker', 'build', '.'])\n"),
        ("infra/main.tf", 'resource "docker_image" "web" {}\n'),
        ("infra/stack.ts", "new DockerImageAsset(this, 'a', {})\n"),
        ("build.gradle", "plugins { id 'com.bmuschko.docker-remote-api' }\n"),
        ("project.json", '{"executor": "@nx-tools/nx-container:build"}\n'),
    ],
)
def test_what_may_build_it_in_a_way_that_is_not_read(path: str, text: str) -> None:
    mine = f"{TOP}{NPM}{END}"
    assert refused(mine, **{path: text}) == ["X749"]


@pytest.mark.parametrize("path", ["docs.txt", ".gitignore", "yarn.lock", ".editorconfig"])
def test_what_names_a_dockerfile_and_builds_nothing(path: str) -> None:
    assert MOUNT in mounted(f"{TOP}{NPM}{END}", **{path: "Dockerfile\n"})[0]


def test_a_file_without_a_secret_or_that_is_not_there_is_none() -> None:
    text = f"{TOP}COPY .npmrc ./\nRUN npm ci\n{END}"
    assert mounted(text, **{".npmrc": "//r/:_authToken=${NPM_TOKEN}\n"}) == (text, {})
    assert mounted(text, **{".dockerignore": ".npmrc\n"}) == (text, {})


BEFORE = f"{TOP}COPY . .\nCOPY .npmrc ./\nRUN npm ci\nRUN npm run b\nRUN mkdir /b\n{END}"
RIGHT = f"{TOP}COPY . .\nRUN {MOUNT} npm ci\nRUN {MOUNT} npm run b\nRUN mkdir /b\n{END}"


def verdict(after: str, rules: str = ".npmrc\n", assume: bool = True, before: str = BEFORE) -> str:
    """Return why a text is not the other with its file mounted, empty if it is."""
    file = snapshot(before, FILES)
    (plan,) = (p for p in mountable_files.plans(file) if not isinstance(p, Refusal))
    edits = FileEdits(".dockerignore", (Edit(Span(0, 0), rules),))
    change = Change(
        "", (Edit(Span(0, len(before)), after),), plan.claims, Safety.RISKY,
        assumptions(plan.scopes, plan.path) if assume else (), files=(edits,) if rules else (),
    )  # fmt: skip
    return attempt(file, [change])[1]


def test_the_verifier_accepts_what_is_right_and_nothing_else() -> None:
    assert not verdict(RIGHT)
    assert "not assumed" in verdict(RIGHT, assume=False)
    assert "still takes" in verdict(RIGHT, "")
    for rules in (".npmrc\na.js\n", "*\n", "src\n", "# a\n.npmrc\n"):
        assert verdict(RIGHT, rules)
    wrong = [
        BEFORE,
        RIGHT.replace(f"{MOUNT} npm run", "npm run"),
        RIGHT.replace("RUN mkdir", f"RUN {MOUNT} mkdir"),
        RIGHT.replace("/a/.npmrc", "/b/.npmrc"),
        RIGHT.replace("id=npmrc", "id=other"),
        RIGHT.replace(",required=true", ""),
        RIGHT.replace("COPY . .\n", ""),
        RIGHT.replace("COPY . .\n", "COPY . .\nCOPY .npmrc ./\n"),
        RIGHT.replace("npm ci", "npm i"),
        RIGHT.replace("RUN mkdir /b\n", ""),
    ]
    for text in wrong:
        assert verdict(text), text


def test_the_verifier_wants_each_place_and_no_more_commands_gone() -> None:
    root = MOUNT.replace("/a/", "/root/")
    before = f"{TOP}COPY .npmrc /root/\nRUN chmod 600 ~/.npmrc && mkdir /b\nRUN npm i -g b\n"
    before += f"COPY .npmrc ./\nRUN npm ci && rm .npmrc && mkdir /c\n{END}"
    right = (
        f"{TOP}RUN mkdir /b\nRUN {root} npm i -g b\nRUN {root} {MOUNT} npm ci && mkdir /c\n{END}"
    )
    assert not verdict(right, "", before=before)
    wrong = [
        right.replace(f"{root} {MOUNT}", MOUNT),
        right.replace(f"{root} {MOUNT}", root),
        right.replace(f"RUN {root} npm", f"RUN {root} {MOUNT} npm"),
        right.replace("RUN mkdir /b\n", ""),
        right.replace("RUN mkdir", "RUN chmod 600 ~/.npmrc && mkdir"),
        right.replace(" && mkdir /c", ""),
        right.replace("npm ci &&", "npm ci && rm .npmrc &&"),
    ]
    for text in wrong:
        assert text != right
        assert verdict(text, "", before=before), text
