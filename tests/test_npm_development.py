"""What npm installs for the development of a project: left out of the last stage, or why not."""

import json

import pytest

from tests.snapshots import run, snapshot

ID = "skip-npm-development-packages"
START = 'CMD ["npm", "start"]\n'
TEXT = f"FROM node:22-slim\nWORKDIR /app\nCOPY package*.json ./\nRUN npm ci\nCOPY . .\n{START}"


def project(**changes: object) -> str:
    """Return a package.json."""
    found: dict[str, object] = {
        "scripts": {"start": "node app.js", "dev": "nodemon app.js", "test": "jest"},
        "dependencies": {"express": "5"},
        "devDependencies": {"nodemon": "3", "jest": "29", "@types/node": "22"},
    }
    return json.dumps(found | changes)


FILES = {"package.json": project(), "app.js": "const express = require('express')\n"}


def scripts(**found: str) -> dict[str, str]:
    """Return the files of a project with other scripts."""
    return {**FILES, "package.json": project(scripts=found)}


def changed(text: str, files: dict[str, str] | None) -> tuple[str, list[str]]:
    """Return a text with the change, and the codes of refusals."""
    outcome = run(snapshot(text, files), ID)
    assert not outcome.drops, outcome.drops[0].reason
    return outcome.snapshot.text, [refusal.code for _, refusal in outcome.refusals]


NODE_IMAGE = TEXT.replace(START, 'ENTRYPOINT ["tini", "--", "node", "app.js"]\n')


@pytest.mark.parametrize(
    ("text", "files"),
    [
        (TEXT, FILES),
        (TEXT.replace("npm ci", "npm install --no-audit"), FILES),
        (TEXT.replace("RUN npm ci", "RUN npm ci && npm cache clean --force"), FILES),
        (TEXT.replace(START, f"RUN mkdir data && chown node data\nUSER node\n{START}"), FILES),
        (TEXT.replace(START, "CMD exec node app.js\n"), FILES),
        (NODE_IMAGE, FILES),
        (TEXT, {**FILES, "compose.yaml": "services: {a: {build: ., command: node app.js}}\n"}),
    ],
)
def test_development_is_left_out(text: str, files: dict[str, str]) -> None:
    wanted = text.replace("npm ci", "npm ci --omit=dev").replace("install", "install --omit=dev")
    assert changed(text, files) == (wanted, [])


ALONE = {
    "it is left out already": (TEXT.replace("npm ci", "npm ci --omit=dev"), FILES, []),
    "it is left out by NODE_ENV": (TEXT.replace("COPY pa", "ENV NODE_ENV=production\nCOPY pa"),
                                    FILES, []),
    "none is declared": (TEXT, {**FILES, "package.json": project(devDependencies={})}, []),
    "packages by name": (TEXT.replace("npm ci", "npm install express"), FILES, []),
    "a stage that is not the last": (f"{TEXT}FROM node:22-slim\n", FILES, []),
    "a stage for development": (TEXT.replace("slim", "slim AS dev"), FILES, []),
    "no context": (TEXT, None, ["S601"]),
    "no manifest": (TEXT, {"app.js": ""}, ["S601"]),
    "workspaces": (TEXT, {**FILES, "package.json": project(workspaces=["a"])}, ["S601"]),
    "npm 6, which forgets peers": (TEXT.replace("22", "14"), FILES, ["S602"]),
    "another image": (TEXT.replace("node:22-slim", "debian"), FILES, ["S602"]),
    "a source loads one": (TEXT, {**FILES, "app.js": "require('nodemon')\n"}, ["S603"]),
    "a source names one": (TEXT, {**FILES, "app.js": "load('jest')\n"}, ["S603"]),
    "the install prepares": (TEXT, scripts(start="node app.js", prepare="husky"), ["S604"]),
    "a native add-on": (TEXT, {**FILES, "binding.gyp": ""}, ["S604"]),
    "it builds": (TEXT.replace(START, f"RUN npm run build\n{START}"), FILES, ["S604"]),
    "it tests": (TEXT.replace(START, f"RUN npx jest\n{START}"), FILES, ["S604"]),
    "files from a stage": (
        "FROM node AS a\n" + TEXT.replace("CMD", "COPY --from=a /x .\nCMD"), FILES, ["S604"]),
    "a start for development": (
        TEXT.replace("start", "dev").replace('"npm"', '"npm", "run"'), FILES, ["S604"]),
    "a start that reads a configuration": (TEXT, scripts(start="vite"), ["S604"]),
    "a script in front of it": (TEXT, scripts(prestart="tsc", start="node app.js"), ["S604"]),
    "a script with a shell's words": (TEXT, scripts(start="node a.js && node app.js"), ["S604"]),
    "a script that calls itself": (TEXT, scripts(start="npm start"), ["S604"]),
    "no start": (TEXT.replace(START, ""), FILES, ["S604"]),
    "a start outside": (
        TEXT, {**FILES, "compose.yaml": "services: {a: {build: ., command: npm test}}\n"},
        ["S604"]),
    "a script names one": (TEXT, {**FILES, "run.sh": "exec nodemon app.js\n"}, ["S604"]),
    "a variable names one": (TEXT.replace(START, f"ENV NODE_OPTIONS='-r nodemon'\n{START}"), FILES,
                             ["S604"]),
    "for a build argument": (TEXT.replace("COPY pa", "ARG NODE_ENV\nCOPY pa"), FILES, ["S605"]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "files", "codes"), ALONE.values(), ids=ALONE)
def test_it_stays(text: str, files: dict[str, str] | None, codes: list[str]) -> None:
    assert changed(text, files) == (text, codes)
