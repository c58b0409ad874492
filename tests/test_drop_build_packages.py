"""RUNs that remove again what they installed to build, and what is not let through."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace

import pytest

from refactor.compose import Outcome, Step
from refactor.effects import Copy, Exec, flat
from refactor.facts import removable
from refactor.facts.images import image
from refactor.model import Safety
from refactor.source import apply
from refactor.syntax import parse
from refactor.verify import verify
from tests import shell_oracle
from tests.mutants import Accepted, equivalence, mutants
from tests.shell_oracle import SHELLS, Call, OracleUnavailable, compare
from tests.snapshots import run, snapshot

PROJECT = {"app.c": "", "requirements.txt": "psycopg2\n", "app.py": "import psycopg2\n"}
ID = "drop-build-packages"
PURGE = "apt-get purge -y --auto-remove gcc libpq-dev make"
DEBIAN = (
    "FROM debian:bookworm-slim\nRUN apt-get update && apt-get install -y --no-install-recommends "
    "curl\nCOPY app.c .\nRUN apt-get update \\\n && apt-get install -y --no-install-recommends \\\n"
    "      gcc libpq-dev make tini \\\n && make app \\\n && rm -rf /var/lib/apt/lists/*\n"
    "RUN echo done\nHEALTHCHECK CMD curl -f localhost\nCMD [\"./app\"]\n"
)  # fmt: skip
JOINED = (
    "FROM php:8.3-fpm-bookworm\nRUN apt-get update && apt-get install -y libpng-dev git\n"
    "RUN docker-php-ext-install gd\nRUN git clone https://a.example/b /tmp/b && make -C /tmp/b "
    "&& rm -rf /tmp/b\nCOPY . .\n"
)
ALPINE = (
    "FROM python:3.12-alpine\nCOPY requirements.txt .\nRUN apk add --no-cache g++ tini make \\\n"
    " && pip install --target /libs -r requirements.txt\nCOPY . .\nCMD [\"python\", \"app.py\"]\n"
)  # fmt: skip


@dataclass(frozen=True)
class Plant:
    """A text that is changed, a part of what must come of it, and wrong versions of the result."""

    id: str
    before: str
    right: str
    wrong: tuple[tuple[str, str], ...]
    files: dict[str, str] = field(default_factory=lambda: PROJECT)


PLANTS = [
    Plant(
        "debian", DEBIAN, f"libpq5 \\\n && make app \\\n && {PURGE} \\\n && rm -rf",
        (
            # what is purged was not installed here, or is needed to run
            (PURGE, f"{PURGE} g++"),
            (PURGE, f"{PURGE} curl"),
            (PURGE, f"{PURGE} tini"),
            (PURGE, f"{PURGE} libpq5"),
            (PURGE, PURGE.replace(" make", "")),
            (PURGE, PURGE.replace("gcc", "gcc-12")),
            # a library is not installed by name, or another one is
            (" libpq5 \\", " \\"),
            ("libgomp1 ", ""),
            ("libpq5 \\", "libpq5 libssl3 \\"),
            ("libpq5 \\", "libpq4 \\"),
            # purged in front of the build, elsewhere, or alone
            (f"make app \\\n && {PURGE}", f"{PURGE} \\\n && make app"),
            (f" && {PURGE} \\\n", ""),
            (f" \\\n && {PURGE}", f" \\\n && {PURGE} \\\n && make again"),
            ("RUN echo done", f"RUN echo done && {PURGE}"),
            (f" && {PURGE} \\\n && rm -rf /var/lib/apt/lists/*\n",
             f" && rm -rf /var/lib/apt/lists/*\nRUN {PURGE}\n"),
            (f" \\\n && {PURGE} \\\n", f"\nRUN {PURGE} \\\n"),
            # other commands, or another status
            (PURGE, "apt-get autoremove -y"),
            (PURGE, "apt-get autoremove -y --purge gcc libpq-dev make"),
            (PURGE, PURGE.replace("--auto-remove ", "")),
            (PURGE, PURGE.replace("purge", "remove")),
            (PURGE, PURGE.replace("-y ", "")),
            (PURGE, f"{PURGE} || true"),
            (PURGE, f"( {PURGE} & )"),
            (PURGE, f"{PURGE} && {PURGE}"),
            (PURGE, "apt-mark auto gcc libpq-dev make && apt-get autoremove -y"),
            (PURGE, "apt-get purge -y --auto-remove '*-dev' gcc make"),
            # the rest is what it was
            ("make app", "make apps"),
            ("COPY app.c .\n", ""),
            ("HEALTHCHECK CMD curl -f localhost\n", ""),
            ("RUN echo done\n", ""),
            ("FROM debian:bookworm-slim", "FROM debian:trixie-slim"),
            ('CMD ["./app"]', 'CMD ["make"]'),
        ),
    ),
    Plant(
        "joined", JOINED,
        " libpng16-16 \\\n    && docker-php-ext-install gd \\\n    && git clone "
        "https://a.example/b /tmp/b && make -C /tmp/b && rm -rf /tmp/b \\\n"
        "    && apt-get purge -y --auto-remove libpng-dev git\n",
        (
            ("    && docker-php", "RUN docker-php"),
            (" \\\n    && docker-php-ext-install gd", "\nRUN docker-php-ext-install gd"),
            (" \\\n    && apt-get purge", "\nRUN apt-get purge"),
            ("purge -y --auto-remove libpng-dev git", "purge -y --auto-remove git"),
            ("purge -y --auto-remove libpng-dev git", "purge -y --auto-remove libpng-dev"),
            ("purge -y --auto-remove libpng-dev git", "purge -y --auto-remove git libpng-dev"),
            ("docker-php-ext-install gd", "(docker-php-ext-install gd || true)"),
            (" && rm -rf /tmp/b", ""),
        ),
    ),
    Plant(
        "alpine", ALPINE,
        "RUN apk add --no-cache tini libgcc libgomp libstdc++ \\\n && apk add --no-cache --virtual "
        ".build-deps g++ make \\\n && pip install --target /libs -r requirements.txt \\\n"
        " && apk del .build-deps\n",
        (
            (" \\\n && apk del .build-deps", ""),
            (" \\\n && apk del .build-deps", "\nRUN apk del .build-deps"),
            ("apk del .build-deps", "apk del .build-deps tini"),
            ("apk del .build-deps", "apk del g++ make"),
            ("apk del .build-deps", "apk del tini"),
            (".build-deps g++ make", ".build-deps g++ make tini"),
            (".build-deps g++ make", ".build-deps g++"),
            ("cache tini libgcc", "cache libgcc"),
            (" libstdc++", ""),
            (" libstdc++", " libstdc++ make"),
            ("apk add --no-cache --virtual", "apk add --virtual"),
            ("--virtual .build-deps", "--virtual .deps"),
            ("--virtual .build-deps ", ""),
            ("pip install --target /libs -r requirements.txt \\\n && apk del .build-deps",
             "apk del .build-deps \\\n && pip install --target /libs -r requirements.txt"),
        ),
    ),
]  # fmt: skip


def outcome(text: str, files: dict[str, str] | None, place: str = "Dockerfile") -> Outcome:
    """Return what the transform does to a text."""
    found = run(snapshot(text, files, place), ID)
    assert not found.drops, found.drops[0].reason
    return found


def only_step(plant: Plant) -> tuple[Step, str]:
    """Return the one change that is made, and the text after it."""
    found = outcome(plant.before, plant.files)
    assert len(found.steps) == 1, [r for _, r in found.refusals]
    (step,) = found.steps
    return step, apply(step.before.text, step.change.edits)


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.id)
def test_the_right_version_is_let_through(plant: Plant) -> None:
    step, text = only_step(plant)
    assert plant.right in text, text
    assert step.change.effective_level is Safety.SUGGESTED
    after = step.before.with_text(text)
    evidence = (step.before.evidence, after.evidence)
    assert verify(*evidence, step.change.claims, step.change.assumes) is None
    for assumption in step.change.assumes:
        rest = [other for other in step.change.assumes if other != assumption]
        assert verify(*evidence, step.change.claims, rest), assumption
    assert verify(*evidence, (), step.change.assumes), "nothing is claimed"


@pytest.mark.parametrize(
    ("plant", "old", "new"),
    [
        pytest.param(plant, old, new, id=f"{plant.id} {number}")
        for plant in PLANTS
        for number, (old, new) in enumerate(plant.wrong)
    ],
)  # fmt: skip
def test_a_planted_wrong_version_is_rejected(plant: Plant, old: str, new: str) -> None:
    step, text = only_step(plant)
    assert old in text, text
    head, _, tail = text.rpartition(old)
    after = step.before.with_text(f"{head}{new}{tail}")
    assert verify(step.before.evidence, after.evidence, step.change.claims, step.change.assumes), (
        f"let through:\n{after.text}"
    )


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.id)
def test_mutants_are_rejected(plant: Plant) -> None:
    step, text = only_step(plant)
    change = Accepted(ID, step.change, step.before, step.before.with_text(text))
    found = mutants(change, 150, Counter(), plant.id)
    wrong = [m for m in found if equivalence(change, m.snapshot.text) is None]
    missed = [
        m.snapshot.text for m in wrong
        if change.verdict(m.snapshot) is None and not _only_moved(m.snapshot.text, text)
    ]  # fmt: skip
    assert len(wrong) > 50
    assert not missed, "\n".join(missed)


def _only_moved(one: str, other: str) -> bool:
    """Whether a package stands elsewhere among others, or the removal behind the cleanup."""
    words = [Counter(re.sub(r"[\\&]", " ", text).split()) for text in (one, other)]
    return words[0] == words[1]


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("run.sh", "#!/bin/sh\nexec gcc x.c\n", "S505"),
        ("run.sh", "#!/bin/sh\npip install x\n", "S510"),
        ("run.sh", "#!/bin/sh\nnpm ci && node .\n", "S510"),
        ("x.py", "import subprocess\nsubprocess.run(['make', 'x'])\n", "S505"),
        ("x.py", "import torch\n", "S505"),
        ("compose.yaml", "services:\n  a:\n    build: .\n    command: make test\n", "S505"),
    ],
)  # fmt: skip
def test_what_stands_around_forbids_it(name: str, text: str, code: str) -> None:
    found = outcome(DEBIAN, {**PROJECT, name: text})
    assert [r.code for _, r in found.refusals] == [code]
    assert not found.steps


PHP = "FROM php:8.3-fpm-bookworm\n"
BUILD = "RUN apt-get update && apt-get install -y libpng-dev && docker-php-ext-install gd\n"


@pytest.mark.parametrize(
    ("why", "text", "code"),
    [
        ("no use", PHP + BUILD.partition(" && docker")[0] + "\n", ""),
        ("the base has it", f"{PHP}RUN apt-get update && apt-get install -y gcc && make\n", ""),
        ("a full base has all", "FROM python:3.12\nRUN apt-get install -y gcc && pip install a\n"
         "CMD a\n", ""),
        ("removed already", f"{PHP}{BUILD.rstrip()} && apt-get remove -y libpng-dev\n", ""),
        ("a builder", f"{PHP.rstrip()} AS b\n{BUILD}FROM php:8.3-fpm\nCOPY --from=b /a /a\n", ""),
        ("a base of its own", f"{PHP.rstrip()} AS b\n{BUILD}FROM b\nCMD a\n", ""),
        ("a purge that leaves orphans",
         f"{PHP}RUN apt-get install -y a && apt-get purge -y a\n{BUILD}", "S542"),
        ("marks", f"{PHP}RUN apt-mark auto curl\n{BUILD}", "S542"),
        ("headers of an earlier layer may need these",
         f"{PHP}RUN apt-get install -y libglib2.0-dev\nCOPY . .\n{BUILD}", "S540 S542"),
        ("npm needs tools", f"{PHP}RUN apt-get install -y npm\n{BUILD}", "S542"),
        ("a package that is not named", f"{PHP}RUN apt-get install -y $A\n{BUILD}", "S542"),
        ("another release", f"{PHP}{BUILD.replace('-y', '-y -t bookworm-backports')}", "S542"),
        ("not read", f"{PHP}RUN <<E\napt-get install a\nE\n{BUILD}", "S542"),
        ("a user", f"{PHP}USER www-data\n{BUILD}", "S541"),
        ("a mount", PHP + BUILD.replace("RUN", "RUN --mount=type=cache,target=/var/lib/apt"),
         "S541"),
        ("libraries that are not known", PHP + BUILD.replace("libpng", "libfoo"), "S501"),
        ("the release is not known", "FROM php:8-fpm\n" + BUILD, "S501"),
        ("a name that others provide", "FROM php:8.3-fpm-trixie\n"
         + BUILD.replace("libpng-dev", "libfreetype6-dev"), "S501"),
        ("Ubuntu's libraries", "FROM ubuntu:24.04\nRUN apt-get install -y libpq-dev gcc && make\n"
         "CMD a\n", "S501"),
        ("Alpine's", "FROM alpine\nRUN apk add libpq-dev gcc && make\nCMD a\n", "S501"),
        ("another RUN builds", f"{PHP}{BUILD}COPY . .\nRUN docker-php-ext-install zip\n", "S515"),
        ("a script", f"{PHP}{BUILD}COPY . .\nRUN ./setup\n", "S515"),
        ("asked for", f"{PHP}{BUILD.replace('libpng', 'libpq').rstrip()} && which pg_config\n",
         "S515"),
        ("another layer", PHP + BUILD.replace(" && docker", "\nCOPY . .\nRUN docker"), "S540"),
        ("what joins would leak", PHP + BUILD.replace(" && docker", " && cd /a\nRUN docker"),
         "S540"),
        ("nothing is started", f"FROM debian:bookworm\n{BUILD}", "S512"),
        ("PHP alone is a shell", f"FROM php:8.3-cli-bookworm\n{BUILD}", "S512"),
        ("ONBUILD", f"{PHP}{BUILD}ONBUILD RUN make\n", "S514"),
        ("no plain chain",
         f"{PHP}RUN apt-get install -y libpng-dev && docker-php-ext-install gd && exec a\n", ""),
    ],
)  # fmt: skip
def test_what_is_left_alone(why: str, text: str, code: str) -> None:
    found = outcome(text, {})
    assert not found.steps, why
    assert [r.code for _, r in found.refusals] == code.split(), why


def test_nothing_is_known_without_a_context() -> None:
    assert [r.code for _, r in outcome(DEBIAN, None).refusals] == ["S516"]


@pytest.mark.parametrize("place", ["dev.Dockerfile", ".devcontainer/Dockerfile", "ci/Dockerfile"])
def test_an_image_to_develop_in_keeps_its_tools(place: str) -> None:
    assert [r.code for _, r in outcome(DEBIAN, PROJECT, place).refusals] == ["S512"]


def test_a_split_goes_first() -> None:
    text = (
        "FROM python:3.12-slim-bookworm\nCOPY . .\nRUN apt-get update && apt-get install -y gcc "
        "&& pip install -r requirements.txt\nCMD python app.py\n"
    )
    found = outcome(text, {"requirements.txt": "uwsgi\n", "app.py": ""})
    assert not found.steps
    assert not found.refusals


@pytest.mark.parametrize(
    ("clone", "goes"),
    [
        ("git clone https://a.example/b /tmp/b && make -C /tmp/b && rm -rf /tmp/b", True),
        ("git clone https://a.example/b.git && make -C b && rm -r b", True),
        ("git clone https://a.example/b /usr/src/b && make && rm -rf /usr/src/*", True),
        ("git clone https://a.example/b /srv && make -C /srv", False),
        ("git config --global core.pager cat && make", False),
        ("git submodule update && make", False),
        ("make", False),
    ],
)
def test_version_control_goes_with_what_it_fetched(clone: str, goes: bool) -> None:
    text = f"{PHP}RUN apt-get update && apt-get install -y libpng-dev git && {clone}\n"
    found = outcome(text, {})
    assert len(found.steps) == 1
    assert found.snapshot.text.endswith(" libpng-dev git\n") == goes


def test_comments_among_the_packages_stay() -> None:
    text = DEBIAN.replace("gcc libpq-dev", "gcc \\\n      # the database\n      libpq-dev")
    found = outcome(text, PROJECT)
    assert "-y --no-install-recommends libgomp1 libpq5 \\\n" in found.snapshot.text
    text = ALPINE.replace("g++ tini make", "g++ \\\n  # starts\n  tini make")
    assert outcome(text, PROJECT).steps
    text = ALPINE.replace("g++ tini make", "tini \\\n  # builds\n  g++ make")
    assert [r.code for _, r in outcome(text, PROJECT).refusals] == ["S502"]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.id)
def test_the_script_does_what_it_did(plant: Plant) -> None:
    """Executed with stub commands, the rest of each RUN runs as before."""
    try:
        shell_oracle.run_all(["stub"], SHELLS[0])
    except OracleUnavailable as reason:
        pytest.skip(str(reason))
    step, text = only_step(plant)
    scripts = [
        [ins.args for ins in side.instructions if ins.keyword == "RUN"]
        for side in (step.before.dockerfile, parse(text))
    ]
    claims = {part for claim in step.change.claims for part in claim.footprint}
    added = {part[2:] for part in claims if part.startswith("+ ")}
    gone = {part[2:] for part in claims if part.startswith("- ")}

    def ignore(call: Call) -> Call | None:
        words = [word for word in call.argv if word not in added]
        if words[1:2] in (["purge"], ["del"]) or "--virtual" in words:
            return None
        if words[:2] == ["apk", "add"]:  # the other half is the virtual package
            words = [word for word in words if word not in gone]
        return replace(call, argv=tuple(words))

    assert not compare(*scripts, shells=SHELLS, max_commands=3, ignore=ignore)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("apk --no-cache add gcc", "apk --no-cache add libgomp && apk --no-cache add --virtual "
         ".build-deps gcc"),
        ("apk add make --no-cache > /log", "apk add --virtual .build-deps make --no-cache > /log"),
        ("A=1 apk add -U -X https://a.example/b make tini > /log",
         "A=1 apk add -U -X https://a.example/b tini > /log && A=1 apk add -U -X "
         "https://a.example/b --virtual .build-deps make > /log"),
        ("apk add make tini", ""),
        ("apk add -U git make=~4", "apk add -U --virtual .build-deps git make=~4"),
        ("sudo apk add make", ""),
    ],
)  # fmt: skip
def test_how_apk_is_called_is_kept(before: str, after: str) -> None:
    build = "git clone https://a.example/b /b && make -C /b && rm -r /b"
    found = outcome(f"FROM alpine\nRUN {before} && {build}\nCMD a\n", {})
    assert len(found.steps) == bool(after)
    if after:
        wanted = f"FROM alpine\nRUN {after} && {build} && apk del .build-deps\nCMD a\n"
        assert found.snapshot.text == wanted


@pytest.mark.parametrize(
    ("script", "becomes"),
    [
        ("set -e; apt-get install -y make; make; rm -rf /var/lib/apt/lists/*",
         "set -e; apt-get install -y make; make; apt-get purge -y --auto-remove make; "
         "rm -rf /var/lib/apt/lists/*"),
        ("set -eux; apt-get install -y make; if a; then make; fi; apt-get clean",
         "set -eux; apt-get install -y make; if a; then make; fi; apt-get purge -y --auto-remove "
         "make; apt-get clean"),
        ("apt-get install -y make && ( cd /a && make )",
         "apt-get install -y make && ( cd /a && make ) && apt-get purge -y --auto-remove make"),
        ("apt-get install -y make=4.3-4 && make",
         "apt-get install -y make=4.3-4 && make && apt-get purge -y --auto-remove make"),
        ("apt-get install -y make && make && rm -rf /tmp/* && apt-get clean",
         "apt-get install -y make && make && apt-get purge -y --auto-remove make && rm -rf /tmp/* "
         "&& apt-get clean"),
        ("apt-get install -y make && make || true", ""),
        ("apt-get install -y make; make", ""),
        ("if a; then apt-get install -y make; fi && make", ""),
    ],
)  # fmt: skip
def test_where_the_removal_stands(script: str, becomes: str) -> None:
    found = outcome(f"FROM debian:12\nRUN {script}\nCMD a\n", {})
    assert found.snapshot.text == f"FROM debian:12\nRUN {becomes or script}\nCMD a\n"


def test_what_images_have() -> None:
    assert removable.has(image("php:8-apache", {}), "gcc")
    assert removable.has(image("php:8-apache", {}), "libpng-dev") is False
    assert removable.has(image("ruby:3-slim", {}), "zlib1g-dev")
    assert removable.has(image("python:3.12", {}), "gcc") is None
    assert removable.has(image("example.com/python:3.12-slim", {}), "gcc") is None
    assert removable.has(image("php:8-alpine", {}), "gcc") is False
    assert not removable.is_removable("gcc-12-base", image("debian:12", {}))


def test_what_stays_of_a_compiler() -> None:
    alpine, ubuntu = image("alpine:3.20", {}), image("ubuntu:20.04", {})
    assert removable.left_behind("build-base", alpine, True) == ("libgcc", "libstdc++", "libgomp")
    assert removable.left_behind("gcc", alpine, False) == ()
    assert removable.left_behind("rust", alpine, True) is None
    assert removable.left_behind("build-essential", ubuntu, True) == ("libgomp1",)
    assert removable.left_behind("gfortran", ubuntu, True) is None
    assert removable.left_behind("libpq-dev", ubuntu, True) is None


def test_events_are_compared_outside_the_run_too() -> None:
    step, text = only_step(PLANTS[0])
    events = flat(step.before.build.stages[0].events)
    assert any(isinstance(event, Copy) for event in step.before.build.stages[0].events)
    assert all(isinstance(event, Exec | Copy) for event in events)
    after = step.before.with_text(text.replace("RUN echo done\n", "RUN echo done && echo more\n"))
    assert verify(step.before.evidence, after.evidence, step.change.claims, step.change.assumes)
