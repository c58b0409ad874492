"""Mount a file with a secret in the RUNs that read it, in place of copying it.

A `.npmrc` with a token, a `pip.conf` with a password or `.git-credentials` that a COPY takes are in a
layer, for whoever has the image or the cache; a later `rm` does not change that. `RUN
--mount=type=secret` gives the file to one RUN, at the place where the COPY put it. The COPY goes, and
an `rm` or `chmod` of the file; where a COPY of a folder brings the file too, `.dockerignore` leaves it
out in the same change.

**The build command changes**: the reason of each change says the new one. Off by default, for that. The
mount is `required`: a build that forgets the secret fails. A RUN that does not run as root gets
`mode=0444`, for only root could read the mount else. BuildKit of before 2021 leaves an empty file where
the mount was (moby/buildkit 1739). Unlike a file that is copied, a secret is not part of the cache's key: a new one builds nothing
anew. What is in the history of the repository, and in layers that were built, has to be revoked.

All instructions behind the COPY are looked at, in each stage that gets the file: a command has to be a
program that is known to read it, or known not to. Which programs read which file, and where they look
for it, is in `secret_files.tsv`: npm, yarn and pnpm `.npmrc`; pip `pip.conf`; git, and what runs it,
`.git-credentials` and `.netrc`; Composer `auth.json`; Maven `settings.xml`; NuGet `nuget.config`; twine
`.pypirc`; Cargo `credentials.toml`. A stage that is an image keeps its file, unless a RUN removes it, or
what its containers start is no such program. Files are looked into: one that names variables
(`${NPM_TOKEN}`) or that only lists sources holds no secret, and one that is not beside the Dockerfile
is not known to.

`git credential-store` stores anew what let it in, and says that it cannot write the mount ("Device or
resource busy"). git takes no notice of that (credential.c), and the RUN goes on. A command that is let
in by a password in its URL would be missed in the store, and is a reason to refuse.

A mount makes the folder that it needs, for root. A COPY that made it for another owner stays. So does a
`nuget.config` in the folder of a project that is built: `dotnet publish` may put it into its output.

Left alone, and told by `report-secret-files` only: `.yarnrc.yml`, which yarn may rewrite when it installs,
and `auth.json` with tokens that Composer renews. `git config url.https://$TOKEN@host/.insteadOf` is a
matter of `mount-build-secrets`.

Refusals: X741 the builder may not know secret mounts, X742 it is not clear what is copied where, X743 a
container or another stage may read it, X744 a command may read it of which that is not known, X745 no
program is known to look for it there, X746 .dockerignore cannot leave it out, X747 a command may change
it, or needs its folder, X748 a comment is about it, X749 another file builds the image, or may, and
would not pass the secret.
"""

import re
from collections.abc import Iterator

from refactor import Change, Example, Phase, Refusal, Safety, Snapshot, edits, transform
from refactor.structure import mountable_files

_TOKEN = ".npmrc=//r.example.com/:_authToken=0123456789abcdef"
_FILES = ("package.json", "a.js", _TOKEN)
_MOUNT = "--mount=type=secret,id=npmrc,target=/a/.npmrc,required=true"
_START = 'CMD ["node", "a.js"]\n'
_TOP = "FROM node:22\nWORKDIR /a\n"
_GIT = ".git-credentials=https://bob:Tr0ub4dor@example.com\n"
_STORE = "RUN git config --global credential.helper store\n"
_CLONE = "git clone https://example.com/a /a\n"
# An image, where it has a file, what that holds, and the command that reads it.
_HELD = (
    ("golang:1.22", "/root/.netrc", "machine example.com login bob password Tr0ub4dor", "go mod download"),
    ("php:8.3", "/a/auth.json", '{"bearer": {"example.com": "Tr0ub4dor"}}', "composer install"),
    ("maven:3", "/m/settings.xml", "<password>Tr0ub4dor</password>", "mvn -s /m/settings.xml package"),
    ("mcr.microsoft.com/dotnet/sdk:8.0", "/a/nuget.config",
     '<add key="ClearTextPassword" value="Tr0ub4dor" />', "dotnet restore"),
    ("python:3.12", "/root/.pypirc", "[pypi]\npassword = Tr0ub4dor", "twine upload /d/*"),
    ("rust:1.80", "/usr/local/cargo/credentials.toml", '[registry]\ntoken = "Tr0ub4dor"', "cargo publish"),
)  # fmt: skip
_WITHOUT = (
    ("golang:1.22", "/root/.netrc", "machine example.com", "go mod download"),
    ("php:8.3", "/a/auth.json", '{"http-basic": {}}', "composer install"),
    ("maven:3", "/root/.m2/settings.xml", "<password>${env.PASSWORD}</password>", "mvn package"),
    ("mcr.microsoft.com/dotnet/sdk:8.0", "/a/nuget.config",
     '<add key="a" value="https://example.com/v3/index.json" />', "dotnet restore"),
    ("python:3.12", "/root/.pypirc", "[pypi]\nusername = bob", "twine upload /d/*"),
    ("rust:1.80", "/usr/local/cargo/credentials.toml", '[registry]\ntoken = ""', "cargo publish"),
)  # fmt: skip


def _mount(target: str) -> str:
    name = re.sub(r"\W", "", target.rpartition("/")[2])
    return f"--mount=type=secret,id={name},target={target},required=true"


def _example(image: str, target: str, text: str, command: str, mounted: bool = False) -> Example:
    folder, _, name = target.rpartition("/")
    before = f"FROM {image} AS b\nWORKDIR /a\nCOPY {name} {folder}/\nRUN {command}\n"
    after = f"FROM {image} AS b\nWORKDIR /a\nRUN {_mount(target)} {command}\n"
    rest = "FROM debian:12\nCOPY --from=b /b /b\n"
    return Example(before + rest, after + rest if mounted else None, files=(f"{name}={text}\n",))


@transform(
    phase=Phase.ENTRY,
    triggers=("copy", "add"),
    default=False,
    highest=Safety.RISKY,
    examples=[
        Example(f"{_TOP}COPY .npmrc ./\nRUN npm ci\n", files=("a.js", ".npmrc=//r/:_authToken=${T}\n")),
        Example(f"{_TOP}COPY package.json ./\nRUN npm ci\n", files=_FILES),
        Example(f"{_TOP}COPY .npmrc ./\nRUN npm ci\n"),
        Example(f"# syntax=docker/dockerfile:1.1\n{_TOP}COPY .npmrc ./\nRUN npm ci\n", files=_FILES,
                refuses="X741"),
        *(_example(*kind) for kind in _WITHOUT),
        Example(f"FROM debian:12\nCOPY .git-credentials /root/\n{_STORE}RUN {_CLONE}{_START}",
                files=(".git-credentials=https://bob:changeme@example.com\n",)),
        Example(f"{_TOP}COPY . .\nRUN npm ci\nCOPY a.js .npmrc\n{_START}", files=_FILES, refuses="X742"),
        Example(f"{_TOP}COPY .npmrc ./\nRUN npm ci\nCMD npm start\n", files=_FILES, refuses="X743"),
        Example(f"{_TOP}COPY .npmrc ./\nRUN npm ci && make\n{_START}", files=_FILES, refuses="X744"),
        Example(f"{_TOP}COPY .npmrc /b/\nRUN npm ci\n{_START}", files=_FILES, refuses="X745"),
        Example(f"{_TOP}COPY . ./\nRUN npm ci\n{_START}", files=(*_FILES, "b/Dockerfile=FROM a\n"),
                refuses="X746"),
        Example(f"{_TOP}COPY .npmrc ./\nRUN npm ci && chown -R node /a\n{_START}", files=_FILES,
                refuses="X747"),
        Example(f"{_TOP}# ours\nCOPY .npmrc ./\nRUN npm ci\n{_START}", files=_FILES, refuses="X748"),
        Example(f"{_TOP}COPY .npmrc ./\nRUN npm ci\n{_START}", refuses="X749",
                files=(*_FILES, "compose.yaml=services:\n  a:\n    build: .\n")),
        Example(f"{_TOP}COPY package.json .npmrc ./\nRUN npm ci && rm -f .npmrc\nCMD npm start\n",
                f"{_TOP}COPY package.json ./\nRUN {_MOUNT} npm ci\nCMD npm start\n", files=_FILES),
        Example(f"{_TOP}COPY .npmrc ./\nCOPY . .\nUSER node\nRUN npm ci\n{_START}",
                f"{_TOP}COPY . .\nUSER node\nRUN {_MOUNT.replace(',req', ',mode=0444,req')} npm ci\n{_START}",
                files=_FILES, others=(".dockerignore=.npmrc\n",)),
        Example("FROM python:3.12\nCOPY pip.conf /etc/pip.conf\nRUN pip install a\nRUN rm /etc/pip.conf\n",
                "FROM python:3.12\nRUN --mount=type=secret,id=pipconf,target=/etc/pip.conf,required=true "
                "pip install a\n",
                files=("pip.conf=[global]\nindex-url = https://bob:Tr0ub4dor@example.com/simple\n",)),
        Example(f"{_TOP}COPY .npmrc /root/\nRUN npm i -g npm\nCOPY .npmrc ./\nRUN npm ci\n{_START}",
                f"{_TOP}RUN {_mount('/root/.npmrc')} npm i -g npm\n"
                f"RUN {_mount('/root/.npmrc')} {_MOUNT} npm ci\n{_START}", files=_FILES),
        Example(f"FROM debian:12\nCOPY .git-credentials /root/\nRUN chmod 600 /root/.git-credentials\n"
                f"{_STORE}RUN {_CLONE}{_START}",
                f"FROM debian:12\n{_STORE}RUN {_mount('/root/.git-credentials')} {_CLONE}{_START}",
                files=(_GIT,)),
        Example(f"FROM debian:12\nCOPY .git-credentials /root/\n{_STORE}"
                f"RUN git clone https://bob:$TOKEN@example.com/a /a\n{_START}",
                files=(_GIT,), refuses="X747"),
        *(_example(*kind, mounted=True) for kind in _HELD),
        Example(f"{_TOP}COPY .npmrc ./\nRUN npm ci\n{_START}", files=_FILES, level=Safety.SUGGESTED),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each file with a secret that a copy takes; one at a time."""
    changed = False
    for plan in mountable_files.plans(snapshot):
        if isinstance(plan, Refusal):
            yield plan
        elif not changed:
            change = _change(snapshot, plan)
            changed = isinstance(change, Change)
            yield change


def _change(snapshot: Snapshot, plan: mountable_files.Plan) -> Change | Refusal:
    made = [edits.replace_logical(ins, start, end, "") for ins, start, end in plan.words]
    for ins in plan.whole:
        made += edits.delete_instruction(snapshot, ins)
    for run, flag in plan.runs:
        made.append(edits.add_flag(snapshot, run, f"--mount={flag}"))
    for run, commands in plan.gone:
        found = edits.delete_all(snapshot, run, commands)
        if not found:
            at = run.instruction.span.start
            return Refusal("X748", f"a comment or another command is about the end of {plan.path}",
                           "let `rm` be a command of its own", at)  # fmt: skip
        made += found
    return Change(
        f"{plan.path} holds {plan.what}, and a COPY leaves it in a layer: revoke what was built or "
        f"committed, and build with: docker build --secret id={plan.id},src={plan.path} .",
        tuple(made),
        plan.claims,
        Safety.RISKY,
        plan.assumes,
        (),
        plan.files,
    )
