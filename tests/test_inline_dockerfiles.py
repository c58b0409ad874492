"""Dockerfiles in compose files are refactored where they stand, or the file is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from refactor.batch import Wishes, many
from refactor.cli import app
from refactor.config import Config
from refactor.context import DiskContext, MemoryContext
from refactor.discover import discover, discover_in
from refactor.engine import Changed, Refused, Result, Task, Unchanged, run
from refactor.inline import refactored
from refactor.model import Safety
from refactor.outside.inline_dockerfiles import blocks, held, replaced
from refactor.outside.yaml_tree import Unclear
from refactor.project import Site

HEAD = "# ours\nservices:\n  web:\n    build:\n      context: .\n      dockerfile_inline: |\n"
BODY = "        FROM debian:12\n        # a $$x\n        MAINTAINER me\n\n        RUN echo $$x\n"
TAIL = "    ports: ['1:1']  # p\n"
COMPOSE = HEAD + BODY + TAIL
DONE = COMPOSE.replace(
    "        MAINTAINER me\n", '        LABEL org.opencontainers.image.authors="me"\n'
)


def fixed(part: Task) -> Result:
    """Refactor one Dockerfile of a file."""
    return run(part.name, part.data, part.config, part.site)


def look(text: str, select: tuple[str, ...] = ("replace-maintainer",), **files: str) -> Result:
    """Refactor the Dockerfiles in a compose file."""
    tree = MemoryContext(
        {"compose.yaml": text.encode(), **{k: v.encode() for k, v in files.items()}}
    )
    config = Config(select=select, level=Safety.RISKY)
    whole = Task("compose.yaml", text.encode(), config, Site(tree, "compose.yaml"), Path())
    return refactored(whole, fixed)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (COMPOSE, DONE),
        (COMPOSE.replace("\n", "\r\n"), DONE.replace("\n", "\r\n")),
        (HEAD + BODY.rstrip("\n"), DONE.removesuffix(TAIL).rstrip("\n")),
        (COMPOSE.replace("e: |", "e: |-  # c"), DONE.replace("e: |", "e: |-  # c")),
        (f"{COMPOSE}  db:\n{COMPOSE[15:].partition('web:')[2][1:]}",
         f"{DONE}  db:\n{DONE[15:].partition('web:')[2][1:]}"),
    ],
)  # fmt: skip
def test_only_the_lines_of_the_change_differ(before: str, after: str) -> None:
    result = look(before)
    assert isinstance(result, Changed)
    assert result.after.decode() == after
    assert {r.line for r in result.remarks} <= {9, 19}
    again = look(after)
    assert isinstance(again, Unchanged), again


def test_dollar_signs_are_doubled_as_compose_wants_them() -> None:
    text = HEAD + "        FROM debian:12\n        RUN a=1 && echo $$a\n        EXPOSE 80 80\n"
    (block,) = blocks("compose.yaml", text)
    assert block.text == "FROM debian:12\nRUN a=1 && echo $a\nEXPOSE 80 80\n"
    assert replaced("compose.yaml", text, block.name, block.text) == text
    after = replaced("compose.yaml", text, block.name, "FROM a\nRUN $b\n")
    assert after == HEAD + "        FROM a\n        RUN $$b\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (COMPOSE.replace("$$x", "${x}"), "variables that compose fills in"),
        (COMPOSE.replace("inline: |", "inline: >"), "no|as a literal block"),
        (COMPOSE.replace("inline: |", "inline: |2"), "as a literal block"),
        (f"{HEAD[:-2]} \"FROM debian:12\\nMAINTAINER me\\n\"\n", "as a literal block"),
        (f"x: &a |\n  FROM b\n{HEAD[:-2]} *a\n", "as a literal block"),
        (COMPOSE.replace("\n\n", "\n          \n"), "blanks that do not belong to it"),
        (COMPOSE.replace("MAINTAINER me", "MAINTAIN me"), "web: unknown instruction MAINTAIN"),
        (COMPOSE.replace("ports", "{{ ports }}"), "a template"),
        ("services: {web: {build: .}}\n# dockerfile_inline\n", "no service or target of it"),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_refused(text: str, reason: str) -> None:
    result = look(text)
    assert isinstance(result, Refused), result
    assert any(part in result.reason for part in reason.split("|"))


def test_a_refusal_names_the_line_of_the_file() -> None:
    result = look(COMPOSE.replace("MAINTAINER me", "MAINTAIN me"))
    assert isinstance(result, Refused)
    assert result.line == 9


def test_other_ways_to_run_refuse_the_file() -> None:
    result = run(
        "compose.yaml", COMPOSE.encode(), Config(), Site(MemoryContext({}), "compose.yaml")
    )
    assert isinstance(result, Refused)
    assert "by fix alone" in result.reason


def test_what_the_service_says_of_the_image_counts() -> None:
    body = (
        '        FROM python:3.12-slim\n        COPY app.py /\n        CMD ["python", "/app.py"]\n'
    )
    files = {"app.py": "print(1)\n"}
    result = look(HEAD + body, ("run-as-user",), **files)
    assert isinstance(result, Changed)
    assert b"        USER 10001:10001\n        CMD" in result.after
    socket = "    volumes: ['/var/run/docker.sock:/var/run/docker.sock']\n"
    refused = look(HEAD + body + socket, ("run-as-user",), **files)
    assert [r.code for r in refused.remarks] == ["U303"]


def test_settings_of_the_service_go_along() -> None:
    body = "        FROM python:3.12-slim\n        MAINTAINER me\n        USER 1001\n"
    result = look(
        HEAD + body + '        CMD ["python", "/a.py"]\n',
        ("drop-capabilities", "replace-maintainer"),
    )
    assert isinstance(result, Changed)
    assert result.after.decode().endswith(
        '.authors="me"\n        USER 1001\n        CMD ["python", "/a.py"]\n'
        "    cap_drop:\n      - ALL\n"
    )
    assert result.others == ()


def test_an_ignore_file_asks_it_too(tmp_path: Path) -> None:
    inline = HEAD + "        FROM debian\n        COPY .env /x\n"
    tree = MemoryContext({"compose.yaml": inline.encode(), "a#b": b"FROM scratch\n"})
    assert held(tree, "compose.yaml#web") == b"FROM debian\nCOPY .env /x\n"
    assert held(tree, "compose.yaml#db") == inline.encode()
    assert held(tree, "a#b") == held(tree, "Dockerfile") == b""
    files = {"compose.yaml": inline, ".env": "", "Dockerfile": "FROM node\nCOPY . /\n"}
    config = Config(select=("write-dockerignore",), level=Safety.SUGGESTED)
    whole = MemoryContext({path: text.encode() for path, text in files.items()})
    result = run("Dockerfile", files["Dockerfile"].encode(), config, Site(whole, "Dockerfile", ""))
    assert [r.code for r in result.remarks] == ["I805"]


def test_a_search_finds_them(tmp_path: Path) -> None:
    bake = 'target "a" { dockerfile-inline = "FROM a" }'
    for name, text in (
        ("compose.yaml", COMPOSE),
        ("compose.b.yaml", "services: {}\n"),
        ("docker-bake.hcl", bake),
    ):
        (tmp_path / name).write_text(text)
    found = [file.name for file in discover([tmp_path]).files]
    assert found == ["compose.yaml", "docker-bake.hcl"]
    assert discover_in(DiskContext(tmp_path)) == (
        [], {"compose or bake file with Dockerfiles in it": 2},
    )  # fmt: skip


def test_a_dollar_sign_that_is_not_doubled_would_be_another_text() -> None:
    (block,) = blocks("compose.yaml", COMPOSE)
    with pytest.raises(Unclear, match="something else"):
        replaced("compose.yaml", COMPOSE, block.name, "  FROM a\n")


def test_several_files_get_their_settings_in_one(tmp_path: Path) -> None:
    app_text = 'FROM python:3.12-slim\nUSER 1001\nCMD ["python", "/a.py"]\n'
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(app_text)
    both = "".join(f"  {name}:\n    build: ./{name}\n" for name in ("a", "b"))
    (tmp_path / "compose.yaml").write_text(
        f"services:\n{both}{COMPOSE.partition('services:')[2][1:]}"
    )
    (tmp_path / ".git").mkdir()
    files = discover([tmp_path]).files
    assert len(files) == 3
    wishes = Wishes(Safety.RISKY, ("drop-capabilities", "replace-maintainer"))
    results = list(many(files, wishes, 1))
    found = CliRunner().invoke(
        app, ["fix", "--level", "risky", "--select", ",".join(wishes.select), str(tmp_path)]
    )
    assert found.exit_code == 0, found.output
    text = (tmp_path / "compose.yaml").read_text()
    assert text.count("    cap_drop:\n      - ALL\n") == 2
    assert text.count("org.opencontainers.image.authors") == 1
    assert all(isinstance(result, Changed) for result in results)
    assert not any(isinstance(result, Changed) for result in many(files, wishes, 1))
