"""Tell when a copy of `site-packages` leaves the console scripts behind.

pip puts modules into `site-packages` and the programs that start them (gunicorn, uvicorn, celery,
flask) into the interpreter's folder of programs. A stage that takes over the first alone imports
everything and starts none of them. A virtual environment has both, and is copied whole.
"""

from collections.abc import Iterator

from refactor import Example, Notice, Phase, Snapshot, transform
from refactor.structure import lost_scripts

_BUILDER = "FROM python:3.12-slim AS build\nRUN pip install gunicorn\nFROM python:3.12-slim\n"
_SITE = "/usr/local/lib/python3.12/site-packages"
_COPY = f"COPY --from=build {_SITE} {_SITE}\n"


@transform(
    phase=Phase.BASE,
    triggers=("site-packages",),
    examples=[
        Example(f"{_BUILDER}{_COPY}COPY --from=build /usr/local/bin /usr/local/bin\n"
                'CMD ["gunicorn"]\n'),
        Example("FROM python:3.12 AS build\nRUN pip install -t /out flask\nFROM python:3.12\n"
                f"COPY --from=build /out {_SITE}\n"),
        Example(f"{_BUILDER}{_COPY}RUN pip install gunicorn\n", note="it installs its own"),
        Example(f'{_BUILDER}{_COPY}CMD ["gunicorn", "app:app"]\n', notices="L701"),
        Example(f'{_BUILDER}{_COPY}CMD ["python", "-m", "flask", "run"]\n', notices="L702"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Notice]:
    """Look at each copy of installed modules."""
    for found in lost_scripts.copies(snapshot):
        where = f"{found.origin}:{found.folder}"
        if found.needed:
            yield Notice(
                "L701", f"{found.needed} is not found: its script stays in {where}; copy "
                "a virtual environment instead", found.at,
            )  # fmt: skip
        else:
            yield Notice(
                "L702", f"the console scripts of what pip installs stay in {where}; "
                "`python -m` works without them", found.at,
            )  # fmt: skip
