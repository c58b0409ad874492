"""Tell when a COPY takes a file of the build context that holds a secret.

`COPY . .` takes what is there: the token in `.npmrc`, the passwords in `.env` or `pip.conf`, a private
key. All stay in the layer, also where a later RUN deletes the file. One RUN gets such a file by
`RUN --mount=type=secret,id=npmrc,target=/app/.npmrc`, from `docker build --secret id=npmrc,src=.npmrc .`;
git and ssh ask an agent, by `--mount=type=ssh`; a container gets it when it starts. Then `.dockerignore`
leaves it out. `mount-secret-files`, which is off by default, does so for some files. The COPY is not
rewritten here: whether nothing reads the file in a container is not in the project, and a file that is
committed has to be revoked, not moved.

Files are looked into: settings that name a variable (`${NPM_TOKEN}`), or hold placeholders, are none.

Notice: X724.
"""

from collections.abc import Iterator

from refactor import Example, Notice, Phase, Safety, Snapshot, transform
from refactor.structure import secret_files

_TOKEN = "//r.example.com/:_authToken=0123456789abcdef"


@transform(
    phase=Phase.ENTRY,
    triggers=("copy", "add"),
    answers=["DL3064", "SecretsUsedInArgOrEnv"],
    highest=Safety.SUGGESTED,
    examples=[
        Example("FROM node:22\nCOPY . /a/\n", files=("a.js", ".npmrc=//r/:_authToken=${NPM_TOKEN}\n")),
        Example("FROM node:22\nCOPY . /a/\n", files=("a.js", ".env=DEBUG=1\nDB_PASSWORD=changeme\n")),
        Example("FROM node:22\nCOPY a.js /a/\n", files=("a.js", f".npmrc={_TOKEN}\n")),
        Example("FROM node:22\nCOPY . /a/\n", files=("a.js", ".dockerignore=.npmrc\n", f".npmrc={_TOKEN}\n")),
        Example("FROM node:22\nCOPY . /a/\n"),
        Example("FROM node:22\nCOPY . /a/\n", files=("a.js", f".npmrc={_TOKEN}\n"), notices="X724"),
        Example("FROM node:22\nCOPY package.json .npmrc /a/\n", files=("package.json", f".npmrc={_TOKEN}\n"),
                notices="X724"),
        Example("FROM node:22\nCOPY . /a/\n", files=("a.js", "b/.env=DB_PASSWORD=Tr0ub4dor\n"),
                notices="X724"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Notice]:
    """Look at each file that a COPY takes."""
    for file in secret_files.held(snapshot):
        yield Notice(
            "X724",
            f"{file.path} holds {file.what}, and this takes it into a layer: leave it out by "
            f".dockerignore, and mount it where a RUN needs it: "
            f"--mount=type=secret,id={file.id},target={file.target}",
            file.offset,
        )
