"""Read a secret of Python settings from the environment, where it stands in the file.

`SECRET_KEY = "..."` in a module of settings is in the repository and in each layer that has the file.
`os.environ["SECRET_KEY"]` takes its place, and `.env.example` names the variable. **What starts the
application has to give it**, or the import fails; the tests and the CI too. The value that stood there
is in the history, and has to be revoked. Off by default, for that.

Only a plain text that a module of settings binds once, at its top level, to a name that is a secret's.
The rest of the file is the same, byte for byte, but for an `import os`. Names with a placeholder, or a
value that is a path, are left.

Refusals: X731 a RUN may import the settings, where no secret is; X732 the name or `os` is bound more
than once.
"""

from collections.abc import Iterator

from refactor import Change, Claim, Effect, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import python_secrets

_COPY = "FROM python:3.12\nCOPY . /app/\n"
_KEY = 'SECRET_KEY = "k3-Zq0!xW7"\n'


@transform(
    phase=Phase.CONTEXT,
    triggers=("copy", "add"),
    default=False,
    highest=Safety.RISKY,
    examples=[
        Example(_COPY, files=("settings.py=import os\nSECRET_KEY = os.environ['SECRET_KEY']\n",)),
        Example(_COPY, files=('settings.py=SECRET_KEY = "changeme"\nTOKEN_URL = "https://example.com"\n',)),
        Example(_COPY, files=(f"other.py={_KEY}",), note="no module of settings"),
        Example(_COPY, files=(f"tests/settings.py={_KEY}",)),
        Example(_COPY, files=(f"settings.py=def f():\n    {_KEY}",)),
        Example(f"{_COPY}RUN python manage.py collectstatic\n", files=(f"a/settings.py={_KEY}",),
                refuses="X731"),
        Example(_COPY, files=(f'a/settings.py={_KEY}SECRET_KEY += "a"\n',), refuses="X732"),
        Example(_COPY, files=(f"settings.py=from a import *\n{_KEY}",), refuses="X732"),
        Example(_COPY, files=(f'a/settings.py="""Doc."""\nfrom b import c\n\n{_KEY}D = 1\n',),
                others=('a/settings.py="""Doc."""\nimport os\nfrom b import c\n\n'
                        'SECRET_KEY = os.environ["SECRET_KEY"]\nD = 1\n', ".env.example=SECRET_KEY=\n")),
        Example(f"{_COPY}RUN pip install -r requirements.txt\n",
                files=(f"settings.py=import os\n{_KEY}", ".env.example=DEBUG=1"),
                others=('settings.py=import os\nSECRET_KEY = os.environ["SECRET_KEY"]\n',
                        ".env.example=DEBUG=1\nSECRET_KEY=\n")),
        Example(_COPY, files=(f"settings.py={_KEY}",), level=Safety.SUGGESTED),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each module of settings; one value at a time, as all write one file of examples."""
    changed = False
    for found in python_secrets.literals(snapshot):
        if isinstance(found, Refusal):
            yield found
        elif not changed:
            changed = True
            footprint = python_secrets.footprint(found.path, found.name, found.example)
            yield Change(
                f"{found.path} holds {found.what} in {found.name}: revoke it, and give it to whatever starts "
                "the application by its environment",
                (),
                (Claim(Effect.SECRETS, footprint),),
                Safety.RISKY,
                (f"whoever starts the application, its tests included, gives it {found.name}",),
                (f"{found.path}:{found.line} {found.name}",),
                found.files,
            )
