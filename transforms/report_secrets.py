"""Tell where a Dockerfile holds, copies or passes a secret.

Whoever has the image reads its environment, its files and its history. What stands there has to be
revoked, for deleting it takes it out of no image and no commit that exists. A container gets its secrets
when it starts (`docker run --env-file`, `secrets:` of compose, a Secret of Kubernetes), a build by
`RUN --mount=type=secret`; `mount-build-secrets` makes those of build arguments.

A name is looked at as a whole: `ALLOW_EMPTY_PASSWORD`, `GPG_KEY`, `PASSWORD_FILE` and the like are none.
So is a value that stands for one, such as `changeme`, and one that says where the secret is. A value is
never told.

Notices: X720 a container finds it in its environment, X721 it stands in the Dockerfile, X722 a build
argument passes it, X723 a file that holds one is copied.
"""

from collections.abc import Iterator

from refactor import Example, Notice, Phase, Snapshot, secrets, transform

_TEXTS = {
    "X720": "{name} holds {what}, and an image's environment is read by whoever has the image: give it to "
            "the container when it starts",
    "X721": "{what} stands here, for whoever has the image or this file: revoke it, and pass it in another way",
    "X722": "{name} holds {what}, and a build argument stays in the history of the image: mount a secret",
    "X723": "{name} holds {what}: leave it out of the image, and mount it where it is needed",
}  # fmt: skip


@transform(
    phase=Phase.ENTRY,
    triggers=("arg", "env", "copy", "add", "run", "label"),
    answers=["DL3064", "SecretsUsedInArgOrEnv"],
    examples=[
        Example("FROM debian\nENV PASSWORD_FILE=/run/secrets/a MYSQL_ALLOW_EMPTY_PASSWORD=yes\n"),
        Example("FROM debian\nENV GPG_KEY=0D96DF4D4110E5C43FBFB17F2D347EA6AA65421D\n"),
        Example("FROM debian\nENV DB_PASSWORD=changeme TLS_PRIVATE_KEY=/run/tls.key\n"),
        Example("FROM debian\nRUN curl -u bob:$TOKEN https://example.com\nCOPY id_rsa.pub .env.example /\n"),
        Example("FROM debian AS a\nENV DB_PASSWORD=Tr0ub4dor\nFROM debian\nCOPY --from=a /a /\n",
                notices="X721"),
        Example("FROM debian\nENV DB_PASSWORD=Tr0ub4dor\n", notices="X720"),
        Example("FROM debian\nRUN curl -u bob:Tr0ub4dor https://example.com\n", notices="X721"),
        Example("FROM debian\nARG NPM_TOKEN\nRUN npm ci\n", notices="X722"),
        Example("FROM debian\nCOPY .env id_rsa /app/\n", notices="X723"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Notice]:
    """Look at each secret."""
    for secret in secrets.secrets(snapshot):
        if secret.use is secrets.Use.PLACEHOLDER:
            continue
        if secret.keyword in ("COPY", "ADD") and secret.name:
            code = "X723"
        elif secret.use is secrets.Use.RUN_TIME and secret.keyword == "ENV":
            code = "X720"
        elif secret.literal:
            code = "X721"
        elif secret.keyword == "ARG":
            code = "X722"
        else:
            continue  # an ENV of a stage that is no image, which hands on an argument
        yield Notice(code, _TEXTS[code].format(name=secret.name, what=secret.what), secret.offset)
