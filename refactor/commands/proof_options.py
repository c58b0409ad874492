"""The options of `dfr prove`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

FORMATS = ("text", "json", "markdown", "html")

Paths = Annotated[list[Path] | None, Argument(help="Files or folders.")]
Engine = Annotated[
    str, Option("--engine", metavar="docker|podman|buildah", help="Else the first that answers.")
]
BuildArg = Annotated[list[str] | None, Option("--build-arg", help="NAME=VALUE for each build.")]
Secret = Annotated[list[str] | None, Option("--secret", help="id=NAME,src=FILE for each build.")]
Target = Annotated[str, Option("--target", help="The stage to build.")]
Platform = Annotated[str, Option("--platform", help="Build for another platform.")]
Network = Annotated[str, Option("--network", help="The network of builds.")]
NoSyntax = Annotated[
    bool, Option("--no-syntax", help="Leave `# syntax=` lines out: they fetch an image.")
]
Timeout = Annotated[int, Option("--timeout", help="Seconds that a build may take.", min=1)]
Smoke = Annotated[
    list[str] | None,
    Option("--smoke", help="A command that both images run in place of CMD; an entrypoint stays."),
]
Http = Annotated[
    list[str] | None, Option("--http", help="PORT or PORT/PATH that both images answer.")
]
SmokeNetwork = Annotated[
    str, Option("--smoke-network", help="The network of containers that are asked.")
]
Env = Annotated[
    list[str] | None, Option("--env", help="NAME=VALUE for the containers that are asked.")
]
Wait = Annotated[int, Option("--wait", help="Seconds that an answer may take.", min=1)]
NoSmoke = Annotated[bool, Option("--no-smoke", help="Start no container.")]
Rebuild = Annotated[
    str, Option("--rebuild", help="A file of the build context: edit it, and build again.")
]
Compressed = Annotated[
    bool, Option("--compressed", help="Also measure images as a registry keeps them: slow.")
]
Together = Annotated[bool, Option("--together", help="Build before and after side by side.")]
Once = Annotated[
    bool, Option("--once", help="Build the original once: noise counts as a difference.")
]
Bisect = Annotated[bool, Option("--bisect", help="If it is broken, find the change that did it.")]
Write = Annotated[bool, Option("--write", help="Write the changes with which nothing is broken.")]
Format = Annotated[str, Option("--format", metavar="|".join(FORMATS), help="How to report.")]
Output = Annotated[Path | None, Option("--output", "-o", help="Write the report to this file.")]
Quiet = Annotated[bool, Option("--quiet", "-q", help="No progress.")]
Verbose = Annotated[
    bool, Option("--verbose", "-v", help="All differences, and the logs of builds.")
]
