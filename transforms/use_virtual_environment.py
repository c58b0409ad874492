"""Take a virtual environment over from a builder, instead of folders of its interpreter.

A stage that copies `site-packages` leaves the console scripts (gunicorn, celery) behind; one that
copies `/usr/local/bin` too takes the builder's tools along; root's `.local` is closed to other users;
and each of these paths breaks in its own way with the next version of Python. A virtual environment
is one folder with all that pip installs, and nothing else. The builder makes it in front of its
first install; the stage that runs takes it over to the same place, and finds it by PATH.

Nothing changes unless both stages have the same Python, nothing but pip writes what is taken over,
and nothing names the places that are left: in the Dockerfile, in scripts and in what starts the image.
"""

from collections.abc import Iterator

from refactor import Change, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import move_edits

_SITE = "/usr/local/lib/python3.12/site-packages"
_FILES = ("requirements.txt=flask\n", "app.py=import flask\n")
_FROM = "FROM python:3.12 AS build\nCOPY requirements.txt .\n"
_PIP = "RUN pip install -r requirements.txt\n"
_RUN = "FROM python:3.12-slim\n"
_COPY = f"COPY --from=build {_SITE} {_SITE}\n"
_BIN = "COPY --from=build /usr/local/bin /usr/local/bin\n"
_END = 'COPY app.py .\nCMD ["gunicorn", "app:app"]\n'
_MADE = 'RUN python -m venv /opt/venv\nENV PATH="/opt/venv/bin:$PATH"\n'
_TAKEN = 'COPY --from=build /opt/venv /opt/venv\nENV PATH="/opt/venv/bin:$PATH"\n'
_USER = "RUN pip install --user --no-cache-dir -r requirements.txt\n"


@transform(
    phase=Phase.STAGES,
    triggers=("pip",),
    highest=Safety.SUGGESTED,
    examples=[
        Example(f"{_FROM}RUN pip wheel -w /w -r requirements.txt\n{_RUN}COPY --from=build /w /w\n",
                files=_FILES, note="wheels are no installs"),
        Example(f"{_FROM}{_MADE}{_PIP}{_RUN}{_TAKEN}{_END}", files=_FILES),
        Example(f"{_FROM}{_PIP}{_RUN}{_COPY}{_END}", refuses="S516", note="no context is known"),
        Example(f"{_FROM}{_PIP}FROM python:3.13-slim\n{_COPY}{_END}", files=_FILES, refuses="S541"),
        Example(f"{_FROM}RUN make install\n{_PIP}{_RUN}{_COPY}{_BIN}{_END}", files=_FILES,
                refuses="S542", note="who knows what it puts there"),
        Example(f"{_FROM}{_PIP}{_RUN}{_COPY}RUN pip install gunicorn\n{_END}", files=_FILES,
                refuses="S543"),
        Example(f"{_FROM}RUN pip install -e .\n{_PIP}{_RUN}{_COPY}{_END}", files=_FILES, refuses="S504"),
        Example(f'{_FROM}{_PIP}{_RUN}{_COPY}CMD ["/usr/local/bin/python", "app.py"]\n', files=_FILES,
                refuses="S503", note="that Python would not find the environment"),
        Example(f"{_FROM}{_PIP}{_RUN}{_COPY}{_END}FROM build AS test\n", files=_FILES, refuses="S514"),
        Example(f"{_FROM}{_PIP}{_RUN}# modules\n{_COPY}# scripts\n{_BIN}{_END}",
                f"{_FROM}{_MADE}{_PIP}{_RUN}# modules\n# scripts\n{_TAKEN}{_END}", files=_FILES),
        Example(f"{_FROM}{_PIP}{_RUN}{_COPY}{_END}", f"{_FROM}{_MADE}{_PIP}{_RUN}{_TAKEN}{_END}",
                files=_FILES, note="gunicorn was not found"),
        Example(f"{_FROM}{_USER}{_RUN}COPY --from=build --chown=1000 /root/.local /home/a/.local\n"
                f"ENV PATH=/home/a/.local/bin:$PATH\n{_END}",
                f"{_FROM}{_MADE}{_USER.replace(' --user', '')}{_RUN}"
                "COPY --from=build --chown=1000 /opt/venv /opt/venv\n"
                f"ENV PATH=/opt/venv/bin:$PATH\n{_END}", files=_FILES),
        Example(f"{_FROM}RUN pip install --prefix=/out -r requirements.txt\n{_RUN}"
                f"COPY --from=build /out /usr/local\n{_END}",
                f"{_FROM}{_MADE}{_PIP}{_RUN}{_TAKEN}{_END}", files=_FILES),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each stage that takes over what pip has installed in another one."""
    for found, place in move_edits.plans(snapshot):
        at = place.span.start
        if isinstance(found, move_edits.Obstacle):
            yield Refusal(found.unknown.code, found.unknown.reason, found.unknown.unlock, at)
            continue
        written = move_edits.move_installs(snapshot, found)
        if written is None:
            yield Refusal("S502", "a comment stands among the words that would be left out",
                          "move it above the instruction", at)  # fmt: skip
            continue
        yield Change(
            "what pip installs is taken over in pieces that an interpreter's version decides",
            written,
            (move_edits.claim(snapshot, found),),
            Safety.SUGGESTED,
            found.assumes,
        )
