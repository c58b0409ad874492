"""What .dockerignore gets: never what an image needs, and only at its end."""

from __future__ import annotations

import time
from pathlib import PurePath

import pytest

from refactor.config import Config
from refactor.context import MemoryContext
from refactor.effects.ignored import left_out
from refactor.engine import Changed, Result, Unchanged, run
from refactor.facts.leftovers import MARKER
from refactor.facts.mentions import mentioned, names
from refactor.knowledge import table
from refactor.model import Claim, Effect, Safety
from refactor.project import Site
from refactor.sent import MAX_FILES, listed, sent
from refactor.snapshot import Snapshot
from refactor.syntax import parse
from refactor.verify import verify

Files = dict[str, bytes]
NODE = "FROM node:22\nWORKDIR /a\nCOPY package*.json ./\nRUN npm ci\nCOPY . .\nCMD node a.js\n"
NODE_FILES: Files = {
    "package.json": b"{}",
    "package-lock.json": b"{}",
    "a.js": b"",
    "node_modules/a/a.js": b"",
    ".gitignore": b"node_modules\n",
    ".git/HEAD": b"",
    ".env": b"",
    ".idea/a": b"",
}


def look(text: str, files: Files, place: str = "Dockerfile", home: str | None = "") -> Result:
    """Run the transform on one Dockerfile of a repository."""
    tree = MemoryContext({**files, place: text.encode()})
    config = Config(select=("write-dockerignore",), level=Safety.SUGGESTED)
    return run(place, text.encode(), config, Site(tree, place, home))


def written(result: Result) -> str:
    """Return the text of the one other file that was written; empty if none was."""
    assert isinstance(result, Changed | Unchanged), result
    assert [r.reason for r in result.remarks if r.kind == "dropped"] == []
    if isinstance(result, Unchanged):
        return ""
    assert result.before == result.after
    assert len(result.others) == 1
    return result.others[0].after.decode()


def rules(result: Result) -> list[str]:
    """Return the rules behind the comment."""
    return written(result).partition(f"{MARKER}\n")[2].split()


def codes(result: Result) -> set[str]:
    """Return the codes of the refusals."""
    return {remark.code for remark in result.remarks if remark.kind == "refusal"}


def related(
    text: str, files: Files, old: bytes | None, new: bytes, name: str = ".dockerignore"
) -> str | frozenset[str]:
    """Return what the relation says of rules before and after."""
    before = MemoryContext(files if old is None else {**files, name: old})
    after = MemoryContext({**files, name: new})
    build = Snapshot(PurePath("Dockerfile"), text, parse(text)).build
    return left_out(sent(before, "Dockerfile"), sent(after, "Dockerfile"), build)


def test_what_is_appended() -> None:
    found = related(NODE, NODE_FILES, b"*.md", b"*.md\n\n# a\n.git\nnode_modules\n")
    assert found == frozenset({"context", "+ .dockerignore", "- .git", "- node_modules"})
    found = related(NODE, NODE_FILES, None, b"**/.env\r\n")
    assert found == frozenset({"context", "+ .dockerignore", "- **/.env"})
    assert related(NODE, NODE_FILES, b"a\n", b"a\n") == frozenset()


WRONG = [
    ("a file that is copied", f"{NODE}COPY .env /b\n", None, b".env\n"),
    ("a file that a pattern copies", f"{NODE}COPY .e* /b\n", None, b".env\n"),
    ("a file in JSON form", f'{NODE}COPY [".env", "/b"]\n', None, b".env\n"),
    ("a file in a folder that is left out", f"{NODE}COPY .idea/a /b\n", None, b".idea\n"),
    ("a file that a trigger copies", f"{NODE}ONBUILD COPY .env /b\n", None, b".env\n"),
    ("a mount", f"{NODE}RUN --mount=type=bind,source=.git,target=/g a\n", None, b".git\n"),
    ("a source that the build knows", f"{NODE}ARG A\nCOPY $A /b\n", None, b".env\n"),
    ("a lock file", NODE, None, b"package-lock.json\n"),
    ("a manifest", NODE, None, b".git\npackage.json\n"),
    ("all", NODE, None, b"*\n"),
    ("all of a kind", NODE, None, b"**/*\n"),
    ("a pattern", NODE, None, b".e*\n"),
    ("a source", NODE, None, b"a.js\n"),
    ("other order", NODE, b"*\n!a.js\n", b"!a.js\n*\n.git\n"),
    ("a rule in front", NODE, b"!a.js\n", b".git\n!a.js\n"),
    ("a rule less", NODE, b".idea\n", b".git\n"),
    ("a rule that takes back in", NODE, b".idea\n", b".idea\n!.idea\n"),
    ("the last rule goes on", NODE, b".idea", b".idea.git\n"),
    ("a rule twice", NODE, None, b".git\n.git\n"),
    ("no rule", NODE, b"a\n", b"a\n# b\n"),
    ("packages that nothing installs", "FROM node\nCOPY . /a\n", None, b"node_modules\n"),
    ("the history, asked for", f"{NODE}RUN git describe --tags\n", None, b".git\n"),
    ("the history, in a block", f"{NODE}RUN a | git -C /a log || b\n", None, b".git\n"),
    ("a file that is named", f"{NODE}RUN . ./.env && b\n", None, b".env\n"),
]


@pytest.mark.parametrize(("text", "old", "new"), [c[1:] for c in WRONG], ids=[c[0] for c in WRONG])
def test_what_is_not_let_through(text: str, old: bytes | None, new: bytes) -> None:
    assert isinstance(related(text, NODE_FILES, old, new), str)


def test_another_dockerfile_of_the_context_copies_it() -> None:
    other = {"docker/prod.Dockerfile": b"FROM scratch\nCOPY .env /b\n"}
    assert isinstance(related(NODE, NODE_FILES | other, None, b".env\n"), str)


def test_a_source_that_is_called_like_an_output() -> None:
    text = "FROM rust\nCOPY . .\nRUN cargo build\n"
    files = {"Cargo.toml": b"", "target/a": b"", "src/target/a.rs": b""}
    assert not isinstance(related(text, files, None, b"target\n"), str)
    assert "no leftover" in str(related(text, files, None, b"src/target\n"))
    assert "no leftover" in str(related(text, files, None, b"**/target\n"))


def test_nothing_is_left_of_a_pattern() -> None:
    text = "FROM scratch\nCOPY dir/* /b\n"
    files = {"dir/.DS_Store": b"", "a": b""}
    assert "nothing is left" in str(related(text, files, None, b"**/.DS_Store\n"))


def test_the_file_of_the_dockerfile_itself_takes_the_place() -> None:
    name = "Dockerfile.dockerignore"
    files = {**NODE_FILES, ".dockerignore": b".git\n"}
    assert isinstance(related(NODE, files, None, b".git\n", name), str)
    assert not isinstance(related(NODE, NODE_FILES, b"a\n", b"a\n.git\n", name), str)


def test_a_context_that_is_not_known() -> None:
    text = "FROM scratch\nCOPY . /\n"
    build = Snapshot(PurePath("Dockerfile"), text, parse(text)).build
    large = MemoryContext({f"{i}": b"" for i in range(MAX_FILES + 2)})
    before, after = listed(large, "", ""), listed(MemoryContext({".dockerignore": b"a"}), "", "")
    assert left_out(None, None, build) == frozenset()
    assert isinstance(left_out(None, after, build), str)
    assert isinstance(left_out(before, after, build), str)


def evidence_pair(rules: str) -> tuple[Snapshot, Snapshot]:
    """Return a snapshot, and that with rules."""
    tree = MemoryContext(NODE_FILES)
    before = Snapshot(PurePath("Dockerfile"), NODE, parse(NODE), tree)
    return before, before.with_text(NODE, {".dockerignore": rules})


@pytest.mark.parametrize(
    ("footprint", "right"),
    [
        (("context", "+ .dockerignore", "- .git"), True),
        (("context", "+ .dockerignore", "- .git", "- .idea"), False),
        (("context", "+ .dockerignore"), False),
        ((), False),
    ],
)
def test_the_claim_is_exact(footprint: tuple[str, ...], right: bool) -> None:
    before, after = evidence_pair(".git\n")
    claims = [Claim(Effect.FILES, frozenset(footprint))] if footprint else []
    assert (verify(before.evidence, after.evidence, claims, []) is None) is right


def test_what_is_there() -> None:
    result = look(NODE, NODE_FILES)
    assert rules(result) == [".git", ".idea", "**/.env", "node_modules"]
    change = next(remark for remark in result.remarks if remark.kind == "change")
    assert change.level == "suggested"
    assert "`npm ci` makes all of `node_modules` that is needed" in change.assumes


def test_the_second_run_is_quiet_and_a_later_one_goes_on_below_the_comment() -> None:
    text = written(look(NODE, NODE_FILES))
    files = NODE_FILES | {".dockerignore": text.encode()}
    assert isinstance(look(NODE, files), Unchanged)
    more = written(look(NODE, files | {".vscode/a": b""}))
    assert more == f"{text}.vscode\n"


def test_line_ends_and_a_last_line_without_one() -> None:
    text = written(look(NODE, NODE_FILES | {".dockerignore": b"*.md\r\nb"}))
    assert text == f"*.md\r\nb\r\n\r\n{MARKER}\r\n.git\r\n.idea\r\n**/.env\r\nnode_modules\r\n"


def test_all_dockerfiles_of_a_context_get_the_same() -> None:
    other = "FROM nginx\nCOPY a.js /\nCOPY . /b\nRUN npm install\n"
    files = {**NODE_FILES, "b.Dockerfile": other.encode(), "Dockerfile": NODE.encode()}
    assert written(look(NODE, files)) == written(look(other, files, "b.Dockerfile")) != ""


def test_another_dockerfile_needs_what_is_copied() -> None:
    files = {**NODE_FILES, "b.Dockerfile": b"FROM node\nCOPY . /b\nCMD node /b/a.js\n"}
    result = look(NODE, files)
    assert "node_modules" not in rules(result)
    assert codes(result) == {"I810"}


def test_one_that_cannot_be_read_keeps_what_it_names() -> None:
    files = {**NODE_FILES, "Dockerfile.j2": b"FROM a\n{% if b %}\nCOPY .env /b\nRUN npm ci\n"}
    assert "I805" in codes(look(NODE, files))
    assert "**/.env" not in rules(look(NODE, files))


def test_a_dockerfile_of_another_context_is_not_asked() -> None:
    compose = b"services:\n  b:\n    build: b\n"
    files = {**NODE_FILES, "compose.yml": compose, "b/Dockerfile": b"FROM node\nCOPY . /b\n"}
    assert "node_modules" in rules(look(NODE, files, home=None))


def test_a_stage_that_does_not_come_from_the_install() -> None:
    text = "FROM node AS a\nCOPY . .\nFROM a AS b\nRUN npm ci\nFROM a\nCMD node a.js\n"
    assert "I810" in codes(look(text, NODE_FILES))


def test_packages_from_another_stage() -> None:
    text = (
        "FROM node AS a\nCOPY package.json .\nRUN npm ci\n"
        "FROM node\nCOPY . .\nCOPY --from=a node_modules node_modules\n"
    )
    assert "node_modules" in rules(look(text, NODE_FILES))


def test_what_git_does_not_ignore_may_be_part_of_the_project() -> None:
    result = look(NODE, NODE_FILES | {".gitignore": b""})
    assert codes(result) == {"I811"}
    assert "node_modules" not in rules(result)


def test_a_folder_of_that_name_that_is_none() -> None:
    files = {
        "a/a.csproj": b"", "a/bin/a": b"", "b/b.csproj": b"", "b/bin/b": b"", "tools/bin/c": b"",
        ".gitignore": b"[Bb]in/\n",
    }  # fmt: skip
    text = "FROM mcr.microsoft.com/dotnet/sdk:8.0\nCOPY . .\nRUN dotnet publish -o /o\n"
    assert rules(look(text, files)) == ["a/bin", "b/bin", "**/obj"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("Makefile", "V := $(shell git describe --tags)"),
        ("setup.py", "subprocess.check_output(['git', 'rev-parse', 'HEAD'])"),
        ("pyproject.toml", 'requires = ["hatchling", "hatch-vcs"]'),
        ("setup.cfg", "[pbr]\nskip_changelog = true"),
        ("a.gemspec", "s.files = `git ls-files -z`.split"),
        ("build.gradle", "id 'com.palantir.git-version' version '3.0.0'"),
        ("pom.xml", "<artifactId>git-commit-id-maven-plugin</artifactId>"),
        ("a.csproj", '<PackageReference Include="MinVer" Version="5.0.0" />'),
        ("main.go", 'if s.Key == "vcs.revision" {'),
        ("build.rs", "vergen::EmitBuilder::builder()"),
        ("CMakeLists.txt", "find_package(Git)"),
        ("a.py", "from git import Repo"),
        ("b.py", "import git\n"),
        ("configure", 'if test -d "$srcdir/.git"; then'),
        ("version.js", "fs.readFileSync('.git/HEAD')"),
        (".npmrc/a.sh", "git -C /a log -1"),
    ],
)
def test_who_reads_the_history(path: str, text: str) -> None:
    result = look(NODE, {**NODE_FILES, path: text.encode()})
    assert "I807" in codes(result)
    assert ".git" not in rules(result)


def test_what_may_be_tracked_stays_where_the_history_is_read() -> None:
    files = NODE_FILES | {"Makefile": b"\tgit describe\n", ".gitignore": b"node_modules\n.env\n"}
    assert rules(look(NODE, files)) == ["**/.env", "node_modules"]


@pytest.mark.parametrize(
    "text",
    [
        '"repository": {"url": "git+https://github.com/a/b.git"}',
        "a = r'/(\\.git|\\.hg)/'",
        "# see https://a.example/b.git",
        "x.git(y)",
        "print('digit log')",
        "import github",
        "git clone https://a.example/b && git checkout v1",
        "the pbrush, a reckoning",
    ],
)
def test_who_does_not(text: str) -> None:
    assert mentioned(".git", "a", text) is None


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "load_dotenv()"),
        ("requirements.txt", "python-dotenv==1.0"),
        ("a.js", "import 'dotenv/config'"),
        ("b.sh", "set -a; . ./.env"),
        ("package.json", '{"devDependencies": {"vite": "5"}}'),
        ("settings.py", 'class Config: env_file = ".env"'),
        ("Pipfile.lock", '"python-dotenv": {}'),
        ("go.sum", "github.com/joho/godotenv v1.5.1 h1:a"),
        ("compose.yml", "services:\n  a:\n    volumes:\n      - ./.env:/a/.env\n"),
    ],
)
def test_who_reads_dot_env(path: str, text: str) -> None:
    result = look(NODE, {**NODE_FILES, path: text.encode()})
    assert "I808" in codes(result)
    assert "**/.env" not in rules(result)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("b.js", "process.env.A; import.meta.env; this?.env"),
        ("a.rs", 'Command::new("a")\n    .env("A", "b")'),
        ("README.md", "copy .env.example to .env"),
        ("compose.yml", "services:\n  a:\n    env_file:\n      - .env\n    build: .\n"),
        ("compose.yaml", "services:\n  a:\n    env_file: .env\n"),
    ],
)
def test_who_does_not_read_it(path: str, text: str) -> None:
    assert "**/.env" in rules(look(NODE, {**NODE_FILES, path: text.encode()}))


def test_what_is_not_copied_leaks_nothing() -> None:
    text = "FROM node\nCOPY package.json a.js ./\nRUN npm ci\n"
    result = look(text, NODE_FILES)
    assert isinstance(result, Unchanged)
    assert not result.remarks
    text = "FROM node\nRUN --mount=type=bind,target=/b make\n"
    assert isinstance(look(text, NODE_FILES), Unchanged)


def test_bytecode_alone_is_no_reason() -> None:
    text = "FROM python\nCOPY . /a\n"
    assert isinstance(look(text, {"a.py": b""}), Unchanged)
    assert rules(look(text, {"a.py": b"", "__pycache__/a.pyc": b""})) == ["**/__pycache__"]


def test_places_of_the_rules() -> None:
    files = {"app/package.json": b"{}", "app/node_modules/a": b"", ".gitignore": b"node_modules\n"}
    text = "FROM node\nCOPY app app\nRUN cd app && npm install\n"
    assert rules(look(text, files)) == ["app/node_modules"]
    inner = "FROM node\nCOPY . .\nRUN npm install\n"
    result = look(inner, files, "app/Dockerfile", "app")
    assert isinstance(result, Changed)
    assert [other.path for other in result.others] == ["app/.dockerignore"]
    assert rules(result) == ["node_modules"]


def test_the_context_is_not_the_one_that_is_meant() -> None:
    assert codes(look(NODE, {"b": b"", ".idea/a": b""})) == {"I803"}
    assert codes(look("FROM a\nCOPY . /\n", NODE_FILES, "docker/Dockerfile", "app")) == {"I801"}


@pytest.mark.parametrize("data", [b"[", b"\xff\xfea", b"a\0"])
def test_rules_that_cannot_be_read(data: bytes) -> None:
    result = look(NODE, NODE_FILES | {".dockerignore": data})
    assert isinstance(result, Unchanged)
    assert codes(result) == {"I802"}


def test_a_new_rule_for_a_name_that_is_special() -> None:
    files = {"[a]/package.json": b"{}", "[a]/node_modules/a": b"", ".gitignore": b"node_modules\n"}
    assert rules(look("FROM node\nCOPY . .\nRUN npm ci\n", files)) == []


@pytest.mark.parametrize("unit", ["npm i ", "bumpversion", "git -C a ", "/dotenv", "- ", ".env("])
def test_linear_time(unit: str) -> None:
    text = unit * (400_000 // len(unit))
    files = {**NODE_FILES, "b.py": text.encode(), "compose.yml": f"a:\n  -{text}".encode()}
    start = time.process_time()
    look(f"{NODE}RUN {text[:9000]}\n", files)
    assert time.process_time() - start < 2


def test_every_row_can_be_checked() -> None:
    for row in table("leftovers"):
        assert all(row.values())
        assert row["guard"] in ("-", "named", "made", "git", "secret")
        assert row["guard"] != "made" or row["maker"] != "-"
        assert "memory" not in row["source"].lower()
        kind = row["pattern"].removeprefix("**/")
        assert kind in names() or row["guard"] in ("-", "made")
        assert "lock" not in kind
