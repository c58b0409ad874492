"""Files with secrets that are mounted: what may stand behind the COPY, and what is left."""

import pytest

from refactor.compose import attempt
from refactor.effects.file_secrets import assumptions
from refactor.facts import mountable_files
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
        ("COPY .npmrc ./\nRUN npm ci && chmod 600 .npmrc\n", "X747"),
        ("COPY .npmrc ./\nRUN chmod 600 .npmrc\nRUN npm ci\n", "X747"),
        ("COPY .npmrc ./\nRUN --mount=type=bind,target=/a npm ci\n", "X747"),
        ("COPY .npmrc ./\nRUN npm ci\nRUN rm .npmrc\nCOPY . .\nRUN make\n", "X744"),
        ("COPY .npmrc ./\nRUN npm ci > /a/.npmrc\n", "X747"),
        ("COPY .npmrc ./\nRUN if [ -f .npmrc ]; then npm ci; fi\n", "X747"),
        ("COPY .npmrc ./\nRUN cd /b && npm ci\n", "X745"),
        ("COPY .npmrc ./\nRUN mkdir /b\n", "X745"),
        ("COPY .npmrc /a/b/\nRUN npm ci\n", "X745"),
        ("COPY .npmrc /home/node/\nRUN npm ci\n", "X745"),
        ("ENV HOME=/b\nCOPY .npmrc /root/\nRUN npm ci\n", "X745"),
        ("COPY --chmod=600 .npmrc ./\nRUN npm ci\n", "X742"),
        ('COPY ["package.json", ".npmrc", "./"]\nRUN npm ci\n', "X742"),
        ("COPY package.json \\\n  .npmrc ./\nRUN npm ci\n", "X742"),
        ("COPY .npmrc ./\nCOPY .npmrc /b/\nRUN npm ci\n", "X742"),
        ("ARG A\nCOPY .npmrc ./\nCOPY $A ./\nRUN npm ci\n", "X742"),
        ("COPY .npmrc ./\nCOPY --from=debian /b /a\nRUN npm ci\n", "X742"),
        ("COPY .npmrc ./\nRUN --mount=type=secret,id=npmrc npm ci\n", "X747"),
        ("COPY .npmrc ./\nRUN npm ci\nONBUILD RUN npm ci\n", "X743"),
        ("COPY .npmrc ./\nRUN npm ci\nHEALTHCHECK CMD npm run h\n", "X743"),
        ('COPY .npmrc ./\nRUN npm ci\nENTRYPOINT ["/b.sh"]\n', "X743"),
        ("# ours\nCOPY .npmrc ./\nRUN npm ci\n", "X748"),
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
    document = {"README.md": f"    {script}"}
    assert refused(text, **document, **{"a.yaml": start.format("npm, start")}) == ["X743"]
    assert MOUNT in mounted(text, **document, **{"a.yaml": start.format("node, b.js")})[0]


def test_a_file_without_a_secret_or_that_is_not_there_is_none() -> None:
    text = f"{TOP}COPY .npmrc ./\nRUN npm ci\n{END}"
    assert mounted(text, **{".npmrc": "//r/:_authToken=${NPM_TOKEN}\n"}) == (text, {})
    assert mounted(text, **{".dockerignore": ".npmrc\n"}) == (text, {})


BEFORE = f"{TOP}COPY . .\nCOPY .npmrc ./\nRUN npm ci\nRUN npm run b\nRUN mkdir /b\n{END}"
RIGHT = f"{TOP}COPY . .\nRUN {MOUNT} npm ci\nRUN {MOUNT} npm run b\nRUN mkdir /b\n{END}"


def verdict(after: str, rules: str = ".npmrc\n", assume: bool = True) -> str:
    """Return why a text is not the other with its file mounted, empty if it is."""
    file = snapshot(BEFORE, FILES)
    (plan,) = (p for p in mountable_files.plans(file) if not isinstance(p, Refusal))
    edits = FileEdits(".dockerignore", (Edit(Span(0, 0), rules),))
    change = Change(
        "", (Edit(Span(0, len(BEFORE)), after),), plan.claims, Safety.RISKY,
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
