"""Dockerfiles in bake files are read with their places, and rewritten where they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from refactor.config import Config
from refactor.context import MemoryContext
from refactor.engine import Changed, Refused, Result, Task, Unchanged, outcome, run
from refactor.facts.invocations import invocations
from refactor.inline import refactored
from refactor.model import Safety
from refactor.outside.bake_files import context, read
from refactor.outside.inline_dockerfiles import blocks, held, place, replaced
from refactor.outside.platforms import bake
from refactor.outside.records import Build
from refactor.outside.yaml_tree import Unclear
from refactor.project import Site
from refactor.syntax import parse

HCL = """\
# é
variable "T" { default = "12" }
target "a" {
  dockerfile-inline = <<EOT
FROM debian:$${T}
MAINTAINER me
RUN echo "$x" $(y) %%{z} <<EOF
EOF
EOT
  args = { T = T }
}
"""
DONE = HCL.replace("MAINTAINER me", 'LABEL org.opencontainers.image.authors="me"')
INDENTED = """\
target a {
  dockerfile-inline = <<-EOT
    FROM debian:12
      # a
    MAINTAINER me

\t
    RUN a \\
      && b
  EOT
}
"""
QUOTED = 'target "a" { dockerfile-inline = "FROM debian:$${T}\\nMAINTAINER me\\nRUN \\"a\\"\\n" }\n'
JSON = """\
{
\t"group": {"default": {"targets": ["a"]}},
\t"target": {"a": {"dockerfile-inline": "FROM debian:$${T}\\nMAINTAINER é\\n", "args": null}}
}
"""


def look(text: str, name: str = "docker-bake.hcl", **files: str) -> Result:
    """Refactor the Dockerfiles in a bake file."""
    tree = MemoryContext(
        {p.replace("__", "/"): t.encode() for p, t in ({name: text} | files).items()}
    )
    config = Config(select=("replace-maintainer",), level=Safety.RISKY)
    whole = Task(name, text.encode(), config, Site(tree, name), Path())
    return refactored(whole, lambda part: run(part.name, part.data, part.config, part.site))


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("docker-bake.hcl", HCL, DONE),
        ("docker-bake.hcl", HCL.replace("\n", "\r\n"), DONE.replace("\n", "\r\n")),
        (
            "docker-bake.override.hcl",
            f'{HCL[:-2]}  context = "."\n}}\n',
            f'{DONE[:-2]}  context = "."\n}}\n',
        ),
        (
            "docker-bake.hcl",
            INDENTED,
            INDENTED.replace("MAINTAINER me", 'LABEL org.opencontainers.image.authors="me"'),
        ),
        (
            "docker-bake.hcl",
            QUOTED,
            QUOTED.replace("MAINTAINER me", 'LABEL org.opencontainers.image.authors=\\"me\\"'),
        ),
        (
            "docker-bake.json",
            JSON,
            JSON.replace("MAINTAINER é", 'LABEL org.opencontainers.image.authors=\\"é\\"'),
        ),
    ],
)
def test_only_what_changes_differs(name: str, before: str, after: str) -> None:
    result = look(before, name)
    assert isinstance(result, Changed), result
    assert result.after.decode() == after
    assert isinstance(look(after, name), Unchanged)


def test_what_bake_reads_is_refactored() -> None:
    (block,) = blocks("docker-bake.hcl", HCL)
    assert block.text == ('FROM debian:${T}\nMAINTAINER me\nRUN echo "$x" $(y) %{z} <<EOF\nEOF\n')
    (block,) = blocks("docker-bake.hcl", INDENTED)
    assert block.text == "FROM debian:12\n  # a\nMAINTAINER me\n\n\t\nRUN a \\\n  && b\n"
    (block,) = blocks("docker-bake.json", JSON)
    assert (block.line, block.outer(2)) == (3, 3)
    for name, text in (("x.hcl", HCL), ("x.hcl", INDENTED), ("x.hcl", QUOTED), ("x.json", JSON)):
        (block,) = blocks(name, text)
        assert replaced(name, text, "a", block.text) == text
    written = replaced("x.hcl", HCL, "a", "FROM ${b}\nRUN 100%{c}\n")
    assert "\nFROM $${b}\nRUN 100%%{c}\nEOT\n" in written


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (HCL.replace("$${T}", "${T}"), "variables that bake fills in"),
        (HCL.replace("%%{z}", "%{ if true }z%{ endif }"), "variables that bake fills in"),
        (HCL.replace("$${T}", "$$${T}"), "variables that bake fills in|would not come back"),
        (QUOTED.replace("$${T}", "${T}"), "variables that bake fills in"),
        (QUOTED.replace("debian", "\\u0064ebian"), "would not come back as they stand"),
        ('target "a" { dockerfile-inline = join("", ["FROM a"]) }\n', "bake works it out"),
        ('target "a" { dockerfile-inline = TEXT }\n', "bake works it out"),
        (INDENTED.replace("    FROM", "\t\t\t\tFROM"), "blanks that differ from line to line"),
        (INDENTED.replace("    ", "\u00a0\u00a0\u00a0\u00a0"), "other blanks than spaces and tabs"),
        (HCL.replace("MAINTAINER me", "MAINTAIN me"), "a: unknown instruction MAINTAIN"),
        (HCL + "}", "not read as HCL"),
        (HCL + HCL, "a holds two Dockerfiles"),
        ("# dockerfile-inline\n", "no service or target of it"),
        (HCL.replace("  args", '  context = "https://x.y/z.git"\n  args'), "build context"),
        (HCL.replace("  args", '  context = "${C}"\n  args'), "build context"),
        (HCL.replace("  args", '  inherits = ["z"]\n  args'), "build context"),
    ],
)
def test_what_is_not_clear_is_refused(text: str, reason: str) -> None:
    result = look(text)
    assert isinstance(result, Refused), result
    assert any(part in result.reason for part in reason.split("|")), result.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (JSON.replace("$${T}", "${T}"), "variables that bake fills in"),
        (JSON.replace("debian", "\\u0064ebian"), "would not come back as they stand"),
        (JSON.replace('"args": null', '"args": null,'), "not read as JSON"),
        (JSON.replace('"args"', '"dockerfile-inline"'), "not read as JSON"),
        (JSON.replace('"FROM', '["FROM').replace('\\n",', '\\n"],'), "bake works it out"),
    ],
)
def test_json_that_is_not_clear_is_refused(text: str, reason: str) -> None:
    result = look(text, "docker-bake.json")
    assert isinstance(result, Refused), result
    assert reason in result.reason


def test_a_refusal_names_the_line_of_the_file() -> None:
    result = look(HCL.replace("MAINTAINER me", "MAINTAIN me"))
    assert isinstance(result, Refused)
    assert result.line == 6


def test_what_would_be_read_otherwise_is_not_written() -> None:
    with pytest.raises(Unclear, match="not read as HCL"):
        replaced("x.hcl", HCL, "a", "FROM a\nEOT\n")
    with pytest.raises(Unclear, match="something else"):
        replaced("x.hcl", INDENTED, "a", "  FROM a\n")
    with pytest.raises(Unclear, match="no Dockerfile any more"):
        replaced("x.hcl", HCL, "b", "FROM a\n")


def test_the_context_is_where_its_target_says() -> None:
    def of(text: str) -> str:
        return context(read("docker-bake.hcl", text).targets, "a")

    assert of('target "a" {}\n') == "."
    assert of('target "a" { context = "x" }\n') == "x"
    assert of('target "a" { inherits = ["b"] }\ntarget "b" { context = "x" }\n') == "x"
    child = 'target "a" { context = "x" }\ntarget "b" {\n inherits = ["a"]\n context = "y"\n}\n'
    assert of(child) == ""
    assert of('target "a" { inherits = ["gone"] }\n') == ""


def test_other_bake_files_say_where_it_is_built() -> None:
    text = HCL.replace("MAINTAINER me", "ADD a /a\nMAINTAINER me")
    assert isinstance(
        look(text, **{"docker-bake.override.hcl": 'target "a" { context = "x" }\n'}), Changed
    )
    both = text.replace("  args", '  context = "y"\n  args')
    refused = look(both, **{"docker-bake.override.hcl": 'target "a" { context = "x" }\n'})
    assert isinstance(refused, Refused)


INHERITED = """\
target "common" {
  context = "app"
  args = { A = 1, B = 2 }
  contexts = { base = "docker-image://debian" }
  target = "prod"
}
target "web" {
  inherits = ["common"]
  args = { C = 3 }
  target = null
}
target "job" {
  inherits = ["web", "late"]
  dockerfile = "job.Dockerfile"
}
target "late" { target = "late" }
target "away" {
  inherits = ["metadata"]
}
target "named" {
  inherits = ["metadata"]
  dockerfile = "cwd://named.Dockerfile"
}
target "round" { inherits = ["trip"] }
target "trip" { inherits = ["round"] }
target "twice" {
  context = "./app/"
  dockerfile = "./app/twice.Dockerfile"
}
"""


def test_what_is_inherited_is_known() -> None:
    found = {build.line: build for build in bake("docker-bake.hcl", INHERITED)}
    names = {target.line: target.name for target in read("docker-bake.hcl", INHERITED).targets}
    said = {
        names[line]: (build.files, build.targets, build.arguments, build.contexts)
        for line, build in found.items()
        if isinstance(build, Build)
    }
    assert said == {
        "common": (("app/Dockerfile",), ("prod",), ("A", "B"), ("base",)),
        "web": (("app/Dockerfile",), ("prod",), ("A", "B", "C"), ("base",)),
        "job": (("app/job.Dockerfile",), ("late",), ("A", "B", "C"), ("base",)),
        "late": (("Dockerfile",), ("late",), (), ()),
        "away": (("*",), (), (), ()),
        "named": (("named.Dockerfile",), (), (), ()),
        "round": (("*",), (), (), ()),
        "trip": (("*",), (), (), ()),
        "twice": (("app/app/twice.Dockerfile", "app/twice.Dockerfile"), (), (), ()),
    }


def test_bake_is_run_in_the_folder_of_its_file_or_in_the_repository() -> None:
    text = 'target "a" {\n  dockerfile = "docker/Dockerfile.debian"\n  target = "run"\n}\n'
    tree = MemoryContext({"docker/docker-bake.hcl": text.encode(), "docker/Dockerfile.debian": b""})
    assert invocations(tree, "", "docker/Dockerfile.debian").targets == {"run"}
    tree = MemoryContext({"docker/docker-bake.hcl": text.encode(), "a/Dockerfile.debian": b""})
    assert invocations(tree, "", "a/Dockerfile.debian").targets == {"run"}  # it may be that one


def test_how_a_target_is_built_is_said_of_the_dockerfile_in_it() -> None:
    text = HCL.replace("  args", '  target = "dev"\n  args')
    other = 'target "b" {\n  inherits = ["a"]\n  target = "test"\n  args = { B = "" }\n}\n'
    tree = MemoryContext({"docker-bake.hcl": (text + other).encode(), "Dockerfile": b"FROM a\n"})
    found = invocations(tree, "", place("docker-bake.hcl", "a"))
    assert (set(found.targets), set(found.arguments)) == ({"dev", "test"}, {"T", "B"})
    beside = invocations(tree, "", "Dockerfile")
    assert (beside.targets, beside.arguments) == (frozenset(), frozenset())
    assert held(tree, "docker-bake.hcl#a").startswith(b"FROM debian:${T}\n")


@pytest.mark.parametrize(
    ("text", "targets", "arguments"),
    [
        ('target "x" { target = DEBUG ? "dev" : "prod" }\n', set(), set()),
        ('target "x" {\n args = { "A" = "1", B : T }\n # target = "no"\n}\n', set(), {"A", "B"}),
        ('target "x" {\n  target = "dev"\n  tags = ["a}b"]\n}\n', {"dev"}, set()),
    ],
)
def test_a_target_says_how_a_dockerfile_is_built(
    text: str, targets: set[str], arguments: set[str]
) -> None:
    tree = MemoryContext({"docker-bake.hcl": text.encode(), "Dockerfile": b"FROM a AS dev\n"})
    found = invocations(tree, "", "Dockerfile")
    assert (set(found.targets), set(found.arguments)) == (targets, arguments)


def test_a_file_that_is_no_hcl_is_told() -> None:
    tree = MemoryContext(
        {"docker-bake.hcl": b'target "x" {\n  target = "dev"\n', "Dockerfile": b""}
    )
    found = invocations(tree, "", "Dockerfile")
    assert [said.value for said in found.unknown] == ["not read as a bake file"]


@pytest.mark.parametrize("text", ["(" * 100_000, "x = " + "[" * 50_000, "a" * 300_000])
def test_hostile_texts_end_soon(text: str) -> None:
    assert read("docker-bake.hcl", text) == read("docker-bake.hcl", text)
    assert not read("docker-bake.hcl", text).sound


NAMED = {
    "docker-bake.hcl": 'target "x" {\n  context = "app"\n  contexts = { debian = "target:y" }\n}\n',
    "compose.yaml": "services: {x: {build: {context: app, additional_contexts: {debian: ./y}}}}\n",
    "app/compose.yaml": "services: {x: {build: {additional_contexts: ['debian=./y']}}}\n",
}


def judged(files: dict[str, str], text: str) -> Result:
    """Refactor a Dockerfile of a repository."""
    tree = MemoryContext({path: body.encode() for path, body in files.items()})
    config = Config(select=("clean-apt-lists",), level=Safety.RISKY)
    return run("app/Dockerfile", text.encode(), config, Site(tree, "app/Dockerfile"))


@pytest.mark.parametrize("name", NAMED)
def test_a_named_context_is_another_image(name: str) -> None:
    for files, known in (({}, True), ({name: NAMED[name]}, False)):
        tree = MemoryContext({path: body.encode() for path, body in files.items()})
        site = Site(tree, "app/Dockerfile")
        snapshot, _ = outcome("app/Dockerfile", parse("FROM debian:12\n"), Config(), site)
        assert snapshot.graph.stages[0].image.known is known


@pytest.mark.parametrize("name", NAMED)
def test_a_named_context_in_the_place_of_a_stage_is_refused(name: str) -> None:
    text = "FROM debian:12 AS debian\nRUN apt-get update && apt-get install -y curl\n"
    assert isinstance(judged({}, text), Changed)
    result = judged({name: NAMED[name]}, text)
    assert isinstance(result, Refused)
    assert "builds it with another debian than its stage" in result.reason
