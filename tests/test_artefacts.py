"""Stages that build a program, cut in two: what is proposed, refused, and seen to be wrong."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import PurePath

import pytest

from refactor.compose import Outcome, refactor
from refactor.facts.images import image
from refactor.facts.runtimes import base, release, runtime
from refactor.knowledge import table
from refactor.model import Change, Safety, Transform
from refactor.snapshot import Snapshot
from refactor.syntax import parse
from refactor.testing import check
from refactor.verify import verify
from tests.snapshots import snapshot

LANGUAGES = ("go", "node", "frontend", "java", "rust", "dotnet", "ruby")
MAIN = 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("a") }\n'
RUNS = 'package main\n\nimport "os/exec"\n\nfunc main() {{ exec.Command({}).Run() }}\n'
MOD = "module example.com/app\n\ngo 1.22\n"
GO = {"go.mod": MOD, "main.go": MAIN}
OPENS = GO | {"main.go": MAIN + 'func f() { os.ReadFile("conf/a.json") }\n', "conf/a.json": "{}"}
DEPENDS = GO | {"go.mod": MOD + "\nrequire example.com/b v1.0.0\n", "web/a.html": "", "go.sum": ""}
STATIC = "RUN CGO_ENABLED=0 go build -o /app\n"
START = 'CMD ["/app"]\n'
GOLANG = "FROM golang:1.22\nWORKDIR /src\nCOPY . .\n"
PACKAGE = '{"scripts":{"start":"node server.js"},"dependencies":{"bcrypt":"5"}}'
NODE = {"package.json": PACKAGE, "server.js": 'require("bcrypt")\n'}
TOOLS = "RUN apt-get update && apt-get install -y python3 make g++\n"
RUST = {"Cargo.toml": '[package]\nname = "app"\n', "src/main.rs": "fn main() {}\n",
        "Cargo.lock": '[[package]]\nname = "app"\n'}  # fmt: skip
CARGO = "FROM rust:1.85\nWORKDIR /src\nCOPY . .\nRUN cargo build --release\n"
POM = (
    "<project><build><plugins><plugin><artifactId>maven-shade-plugin</artifactId></plugin>"
    "</plugins></build></project>"
)
MAVEN = "FROM maven:3.9-eclipse-temurin-21\nWORKDIR /app\nCOPY . .\nRUN mvn -q package\n"
JAR = 'CMD ["java", "-jar", "target/a.jar"]\n'
CSPROJ = (
    '<Project Sdk="Microsoft.NET.Sdk.Web"><PropertyGroup><TargetFramework>net{}'
    "</TargetFramework></PropertyGroup></Project>"
)
DOTNET = (
    "FROM mcr.microsoft.com/dotnet/sdk:{}\nWORKDIR /app\nCOPY . .\n"
    'RUN dotnet publish -c Release -o /out\nENTRYPOINT ["dotnet", "/out/App.dll"]\n'
)
LAST = 'CMD ["npm", "start"]\n'


def transform(language: str) -> Transform:
    """Return the transform of a language."""
    module = importlib.import_module(f"transforms.split_{language}_stages")
    return next(value for value in vars(module).values() if isinstance(value, Transform))


def run(language: str, text: str, files: dict[str, str]) -> Outcome:
    """Run the transform of a language."""
    return refactor(snapshot(text, files), [transform(language)], Safety.RISKY)


@pytest.mark.parametrize("language", LANGUAGES)
def test_examples_and_laws(language: str) -> None:
    assert check(transform(language)) > 2


@dataclass(frozen=True)
class Case:
    """A stage that is split: `has` are lines of the result's new stage, `lacks` are not in it."""

    id: str
    language: str
    before: str
    files: dict[str, str]
    has: tuple[str, ...]
    lacks: tuple[str, ...] = ()


def copied(path: str, flags: str = "") -> str:
    """Return the line that takes a path over."""
    return f"COPY --from=builder {flags}{path} {path}"


CERTIFICATES = copied("/etc/ssl/certs/ca-certificates.crt")
DISTROLESS = "FROM gcr.io/distroless/static-debian13"
SPLITS = [
    Case("static", "go", f"{GOLANG}{STATIC}{START}", GO, (DISTROLESS, copied("/app")),
         (CERTIFICATES,)),
    Case("cgo may be on", "go", f"{GOLANG}RUN go build -o /app\n{START}", GO,
         ("FROM debian:bookworm-slim", CERTIFICATES)),
    Case("cgo is off for the stage", "go",
         "FROM golang:1.22\nENV CGO_ENABLED=0\nWORKDIR /src\nCOPY . .\n"
         f"RUN go build -o /app\n{START}",
         GO, (DISTROLESS,), ("ENV CGO_ENABLED=0",)),
    Case("no compiler, so no cgo", "go",
         f"FROM golang:1.22-alpine\nWORKDIR /src\nCOPY . .\nRUN go build -o /app .\n{START}", GO,
         (DISTROLESS,)),
    Case("a C compiler on alpine", "go",
         "FROM golang:1.22-alpine3.20\nRUN apk add --no-cache gcc musl-dev\n"
         f"WORKDIR /src\nCOPY . .\nRUN go build -o /app .\n{START}", GO,
         ("FROM alpine:3.20", copied("/usr/local/go/lib/time/zoneinfo.zip")), ("gcc",)),
    Case("a shell", "go", f"{GOLANG}{STATIC}CMD /app\n", GO, ("FROM debian:bookworm-slim",)),
    Case("the module's name", "go", f"{GOLANG}RUN go build\nCMD ./app\n", GO,
         (copied("/src/app"),)),
    Case("a file that is opened", "go", f"{GOLANG}{STATIC}{START}", OPENS, (copied("/src/conf"),)),
    Case("a file that modules may open", "go", f"{GOLANG}{STATIC}{START}", DEPENDS,
         (copied("/src/web"),), ("go.sum",)),
    Case("what is installed is in PATH", "go",
         f"{GOLANG}RUN CGO_ENABLED=0 go install\nCMD [\"app\"]\n", GO,
         ('ENV PATH="/go/bin:$PATH"', copied("/go/bin/app"))),
    Case("the directory of the base", "go",
         "FROM golang:1.22\nCOPY . .\nRUN CGO_ENABLED=0 go build -o app .\nCMD [\"./app\"]\n", GO,
         ("WORKDIR /go", copied("/go/app"))),
    Case("types of files that are served", "go", f"{GOLANG}{STATIC}{START}",
         OPENS | {"main.go": MAIN + 'func f() { http.FileServer(http.Dir("conf")) }\n'},
         (copied("/etc/mime.types"), copied("/src/conf"))),
    Case("a configuration elsewhere", "go",
         f"{GOLANG}COPY conf/a.json /etc/app/a.json\n{STATIC}{START}", OPENS,
         (copied("/etc/app/a.json"),)),
    Case("a folder that is made", "go", f"{GOLANG}RUN mkdir -p /data\n{STATIC}{START}", GO,
         (copied("/data"),)),
    Case("a script that starts it", "go",
         f"{GOLANG}COPY start.sh /start.sh\nRUN chmod +x /start.sh\n{STATIC}"
         'ENTRYPOINT ["/start.sh"]\n',
         GO | {"start.sh": '#!/bin/sh\nset -e\necho up\nexec /app "$@"\n'},
         ("FROM debian:bookworm-slim", copied("/start.sh"), copied("/app"))),
    Case("labels, ports and a volume move", "go",
         "FROM golang:1.22\nLABEL a=b\nEXPOSE 80\nVOLUME /data\nUSER root\nWORKDIR /src\nCOPY . .\n"
         f"{STATIC}{START}", GO, ("LABEL a=b", "EXPOSE 80", "VOLUME /data", "USER root")),
    Case("arguments of what is kept", "go",
         f"FROM golang:1.22\nARG V=1\nENV VERSION=$V\nWORKDIR /src\nCOPY . .\n{STATIC}{START}", GO,
         ("ARG V=1", "ENV VERSION=$V")),
    Case("a user of its own", "go",
         f"{GOLANG}RUN useradd -r app\n{STATIC}USER app\n{START}", GO,
         ("FROM debian:bookworm-slim", "RUN useradd -r app")),
    Case("a package that runs", "go",
         f"FROM golang:1.22-bookworm\nRUN apt-get update && apt-get install -y git graphviz\n"
         f"WORKDIR /src\nCOPY . .\n{STATIC}{START}", GO,
         ("RUN apt-get update && apt-get install -y graphviz && rm -rf /var/lib/apt/lists/*",)),
    Case("curl of a health check", "go",
         f"{GOLANG}RUN go build -o /app\nHEALTHCHECK CMD curl -f localhost\n{START}", GO,
         ("--no-install-recommends curl",)),
    Case("native add-ons", "node",
         f"FROM node:20-slim\n{TOOLS}WORKDIR /app\nCOPY . .\nRUN npm ci\n{LAST}", NODE,
         ("FROM node:20-slim", copied("/app")), ("g++",)),
    Case("another owner", "node",
         f"FROM node:20-slim\n{TOOLS}WORKDIR /app\nUSER node\nCOPY --chown=node:node . .\n"
         f"RUN npm ci\n{LAST}", NODE, ("USER node",)),
    Case("a user, and a package that runs", "node",
         "FROM node:20-alpine\nRUN apk add --no-cache make g++ graphviz && adduser -D app\n"
         f"WORKDIR /app\nCOPY . .\nRUN npm ci\nUSER app\n{LAST}", NODE,
         ("RUN apk add --no-cache graphviz && adduser -D app", copied("/app"))),
    Case("npm 6", "node",
         f"FROM node:14\nWORKDIR /app\nCOPY . .\nRUN npm ci\nRUN npm run build\n{LAST}",
         {"package.json": '{"scripts":{"start":"node a.js","build":"tsc"},'
                          '"devDependencies":{"typescript":"4"}}'},
         ("FROM node:14", copied("/app"))),
    Case("crates that link to nothing", "rust", f"{CARGO}CMD ./target/release/app\n", RUST,
         ("FROM debian:bookworm-slim", copied("/src/target/release/app"))),
    Case("a crate that links", "rust", f"{CARGO}CMD ./target/release/app\n",
         RUST | {"Cargo.lock": '[[package]]\nname = "pq-sys"\n', "Rocket.toml": ""},
         ("libpq5", copied("/src/Rocket.toml"))),
    Case("cargo install", "rust",
         "FROM rust:1.85-slim\nWORKDIR /src\nCOPY . .\nRUN cargo install --path .\nCMD [\"app\"]\n",
         RUST, ('ENV PATH="/usr/local/cargo/bin:$PATH"', copied("/usr/local/cargo/bin/app"))),
    Case("a shaded jar", "java", f"{MAVEN}{JAR}", {"pom.xml": POM},
         ("FROM eclipse-temurin:21-jre", copied("/app/target/a.jar"))),
    Case("a jar that is moved", "java",
         f"{MAVEN}RUN mv target/*.jar /a.jar\nCMD java $JAVA_OPTS -jar /a.jar\n", {"pom.xml": POM},
         (copied("/a.jar"),)),
    Case("the port of old runtimes", "dotnet", DOTNET.format("6.0"),
         {"App.csproj": CSPROJ.format("6.0")},
         ("FROM mcr.microsoft.com/dotnet/aspnet:6.0", 'ENV ASPNETCORE_URLS=""', copied("/out"))),
    Case("a console program", "dotnet", DOTNET.format("8.0-alpine3.20"),
         {"App.csproj": CSPROJ.format("8.0").replace(".Web", "")},
         ("FROM mcr.microsoft.com/dotnet/runtime:8.0-alpine3.20", copied("/out"))),
]  # fmt: skip


@pytest.mark.parametrize("case", SPLITS, ids=lambda case: f"{case.language}: {case.id}")
def test_is_split(case: Case) -> None:
    found = run(case.language, case.before, case.files)
    assert not found.drops, found.drops[0].reason
    text = found.snapshot.text
    new = text.rpartition("\nFROM ")[2]
    assert " AS builder\n" in text, [refusal.reason for _, refusal in found.refusals]
    for line in case.has:
        assert line in f"FROM {new}", text
    for part in case.lacks:
        assert part not in f"FROM {new}", text
    again = run(case.language, text, case.files)
    assert again.snapshot.text == text


REFUSALS = [
    ("no context", "go", f"{GOLANG}{STATIC}{START}", None, "S516"),
    ("nothing is started", "go", f"{GOLANG}{STATIC}", GO, "S512"),
    ("make", "go", f"{GOLANG}RUN make\nCMD [\"./app\"]\n", GO, "S502"),
    ("compiled at the start", "go", f"{GOLANG}{STATIC}CMD go run .\n", GO, "S510"),
    ("a tool that compiles", "go",
     f"{GOLANG}RUN go install github.com/air-verse/air@latest\n{STATIC}"
     'CMD ["air"]\n', GO, "S502"),
    ("a release that is not known", "go",
     f"FROM golang\nWORKDIR /src\nCOPY . .\nRUN go build -o /app\n{START}", GO, "S511"),
    ("a shell, and no release", "go",
     f"FROM golang\nWORKDIR /src\nCOPY . .\n{STATIC}CMD /app\n", GO, "S523"),
    ("a program that is run", "go", f"{GOLANG}{STATIC}{START}",
     GO | {"main.go": RUNS.format('"ffmpeg"')}, "S505"),
    ("a program that is computed", "go", f"{GOLANG}{STATIC}{START}",
     GO | {"main.go": RUNS.format("a")}, "S517"),
    ("the health check's program", "go",
     f"FROM golang:1.22-alpine\nWORKDIR /src\nCOPY . .\n{STATIC}"
     f'HEALTHCHECK CMD ["curl", "a"]\n{START}', GO, "S505"),
    ("another command outside", "go", f"{GOLANG}{STATIC}{START}",
     GO | {"compose.yaml": "services:\n  a:\n    build: .\n    command: go test ./...\n"}, "S510"),
    ("a link", "go", f"{GOLANG}{STATIC}RUN ln -s /app /usr/bin/app\n{START}", GO, "S502"),
    ("the user of the base", "go", f"{GOLANG}{STATIC}USER gopher\n{START}", GO, "S519"),
    ("files of another user", "go",
     f"FROM golang:1.22\nWORKDIR /src\nCOPY --chown=1000 . .\n{STATIC}USER 1000\n{START}", OPENS,
     "S521"),
    ("too many files", "go", f"{GOLANG}{STATIC}{START}",
     DEPENDS | {f"d{n}/{name}": "" for n in range(9) for name in ("a.go", "a.txt")}, "S524"),
    ("another system", "go", f"{GOLANG}RUN GOOS=windows go build -o /app\n{START}", GO, "S502"),
    ("a dev dependency at the start", "node",
     f"FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci\nRUN npm run build\n{LAST}",
     {"package.json": '{"scripts":{"start":"nodemon a.js","build":"tsc"},'
                      '"devDependencies":{"nodemon":"1","typescript":"5"}}'}, "S510"),
    ("a dev dependency in a source", "node",
     f"FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci\nRUN npm run build\n{LAST}",
     {"package.json": '{"scripts":{"start":"node a.js","build":"tsc"},"devDependencies":'
                      '{"typescript":"5"}}', "a.js": 'const t = require("typescript")\n'}, "S510"),
    ("git in a source", "node",
     "FROM node:20-slim\nRUN apt-get update && apt-get install -y git\nWORKDIR /app\nCOPY . .\n"
     f"RUN npm ci\n{LAST}",
     NODE | {"b.js": 'require("child_process").exec("git log")\n'}, "S505"),
    ("the application in the root", "node",
     f"FROM node:20-slim\n{TOOLS}COPY ./ ./\nRUN npm ci\n{LAST}", NODE, "S502"),
    ("browsers at home", "node",
     f"FROM node:20-slim\n{TOOLS}WORKDIR /app\nCOPY . .\nRUN npm ci\n{LAST}",
     {"package.json": '{"scripts":{},"dependencies":{"puppeteer":"22"}}'}, "S502"),
    ("no lock file", "rust", f"{CARGO}CMD ./target/release/app\n",
     {k: v for k, v in RUST.items() if k != "Cargo.lock"}, "S501"),
    ("a crate that is not known", "rust", f"{CARGO}CMD ./target/release/app\n",
     RUST | {"Cargo.lock": '[[package]]\nname = "odd-sys"\n'}, "S501"),
    ("cargo run", "rust", f"{CARGO}CMD cargo run\n", RUST, "S510"),
    ("a jar with jars beside it", "java", f"{MAVEN}{JAR}",
     {"pom.xml": "<project><dependencies><dependency><artifactId>b</artifactId></dependency>"
                 "</dependencies></project>"}, "S502"),
    ("a JDK without a JRE", "java",
     f"FROM openjdk:17\nWORKDIR /app\nCOPY . .\nRUN ./mvnw package\n{JAR}", {"pom.xml": POM},
     "S511"),
    ("the compiler at run time", "java", f"{MAVEN}{JAR}",
     {"pom.xml": POM, "src/main/java/A.java": "import javax.tools.JavaCompiler;"}, "S510"),
    ("a framework of another version", "dotnet", DOTNET.format("8.0"),
     {"App.csproj": CSPROJ.format("6.0")}, "S503"),
    ("proxied requests", "frontend",
     "FROM node:20\nRUN apt-get update && apt-get install -y nginx\nWORKDIR /s\nCOPY . .\n"
     "COPY a.conf /etc/nginx/conf.d/a.conf\nRUN npm ci\nRUN npm run build\n"
     'RUN cp -r dist/. /var/www/html/\nCMD ["nginx", "-g", "daemon off;"]\n',
     NODE | {"a.conf": "location / { proxy_pass http://b; }"}, "S510"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("language", "before", "files", "code"),
    [case[1:] for case in REFUSALS],
    ids=[f"{case[1]}: {case[0]}" for case in REFUSALS],
)
def test_is_refused(language: str, before: str, files: dict[str, str] | None, code: str) -> None:
    if files is None:
        found = refactor(
            Snapshot(PurePath("Dockerfile"), before, parse(before)), [transform(language)],
            Safety.RISKY,
        )  # fmt: skip
    else:
        found = run(language, before, files)
    assert found.snapshot.text == before
    assert not found.drops
    assert [refusal.code for _, refusal in found.refusals] == [code]


RICH = (
    "FROM golang:1.22\nENV MODE=a\nEXPOSE 80\nWORKDIR /src\nCOPY . .\n"
    f'{STATIC}USER 1000\nHEALTHCHECK CMD ["/app", "-check"]\n{START}'
)
PLANTED = [
    ("the program is left out", copied("/app") + "\n", ""),
    ("the program goes elsewhere", copied("/app"), "COPY --from=builder /app /bin/app"),
    ("a file that is read is left out", copied("/src/conf") + "\n", ""),
    ("a part of it is left out", "/src/conf /src/conf", "/src/conf/a.json /src/conf/b.json"),
    ("CMD is lost", START, ""),
    ("CMD is another", '["/app"]', '["/app", "-x"]'),
    ("CMD is run by a shell", START, "CMD /app\n"),
    ("ENTRYPOINT in place of CMD", START, 'ENTRYPOINT ["/app"]\n'),
    ("another directory", "static-debian13\nENV MODE=a\nWORKDIR /src",
     "static-debian13\nENV MODE=a\nWORKDIR /"),
    ("no directory", "ENV MODE=a\nWORKDIR /src\nCOPY --from", "ENV MODE=a\nCOPY --from"),
    ("a variable is lost", "static-debian13\nENV MODE=a\n", "static-debian13\n"),
    ("a variable has another value", "static-debian13\nENV MODE=a", "static-debian13\nENV MODE=b"),
    ("a variable is new", "static-debian13\nENV MODE=a", "static-debian13\nENV MODE=a B=c"),
    ("the port is lost", "EXPOSE 80\n", ""),
    ("the user is lost", "USER 1000\n", ""),
    ("the user is root", "USER 1000", "USER root"),
    ("the health check is lost", 'HEALTHCHECK CMD ["/app", "-check"]\n', ""),
    ("another C library", "gcr.io/distroless/static-debian13", "alpine:3.20"),
    ("another base", "gcr.io/distroless/static-debian13", "scratch"),
    ("another tag", "static-debian13", "static-debian13:nonroot"),
    ("from the context", "--from=builder /app /app", "/app /app"),
    ("from an image", "--from=builder /app", "--from=golang:1.22 /app"),
    ("another owner", copied("/app"), copied("/app", "--chown=1000 ")),
    ("another command", copied("/app"), "RUN true\n" + copied("/app")),
    ("a copy too many", copied("/app"), copied("/app") + "\n" + copied("/src/main.go")),
    ("all that was built", copied("/src/conf"), copied("/src")),
    ("a label is new", "EXPOSE 80\n", "EXPOSE 80\nLABEL a=b\n"),
    ("the builder does less", STATIC, ""),
    ("the builder builds otherwise", "CGO_ENABLED=0 go", "CGO_ENABLED=1 go"),
    ("the builder does more", STATIC, f"{STATIC}RUN true\n"),
    ("the builder is another", "golang:1.22 AS", "golang:1.23 AS"),
    ("a volume is new", "EXPOSE 80\n", "EXPOSE 80\nVOLUME /data\n"),
    ("the stage has a name", "static-debian13\n", "static-debian13 AS b\n"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), [p[1:] for p in PLANTED], ids=[p[0] for p in PLANTED])
def test_a_planted_error_is_seen(old: str, new: str) -> None:
    before = snapshot(RICH, OPENS)
    change, text = accepted("go", before)
    assert text.count(old), text
    start = text.index(old) if "builder" in new or "builder" in old else text.rindex(old)
    wrong = text[:start] + new + text[start + len(old) :]
    assert reason(before, text, change) is None
    assert reason(before, wrong, change), wrong


TYPED = {"package.json": '{"scripts":{"start":"node a.js","build":"tsc"},'
                          '"devDependencies":{"typescript":"5"}}'}  # fmt: skip
PRUNE = "RUN npm prune --omit=dev\n"
PLANTED_ELSEWHERE = [
    ("node", f"FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci\nRUN npm run build\n{LAST}", TYPED,
     [(PRUNE, ""), (PRUNE, f"WORKDIR /\n{PRUNE}"), (PRUNE, f"USER node\n{PRUNE}"),
      ("npm prune --omit=dev", "npm prune"), (PRUNE, f"{PRUNE}RUN true\n")]),
    ("node", f"FROM node:20-slim\n{TOOLS}RUN apt-get update && apt-get install -y graphviz\n"
             f"WORKDIR /app\nCOPY . .\nRUN npm ci\n{LAST}", NODE,
     [("RUN apt-get update && apt-get install -y graphviz\nWORKDIR", "WORKDIR"),
      (copied("/app"), copied("/app/node_modules")),
      ("FROM node:20-slim\nRUN apt-get update && apt-get install -y graphviz",
       "FROM node:20-alpine\nRUN apt-get update && apt-get install -y graphviz")]),
    ("rust", f"{CARGO}CMD ./target/release/app\n",
     RUST | {"Cargo.lock": '[[package]]\nname = "openssl-sys"\n', "Rocket.toml": ""},
     [(" libssl3", ""), (copied("/src/Rocket.toml") + "\n", ""), ("debian:bookworm-slim",
      "debian:bullseye-slim"), ("debian:bookworm-slim", "alpine:3.20")]),
    ("java", f"{MAVEN}{JAR}", {"pom.xml": POM, "config/a.yml": ""},
     [(copied("/app/config") + "\n", ""), ("21-jre", "17-jre"), ("21-jre", "21-jre-alpine")]),
    ("dotnet", DOTNET.format("6.0"), {"App.csproj": CSPROJ.format("6.0")},
     [('ENV ASPNETCORE_URLS=""\n', ""), ("aspnet:6.0", "runtime:6.0"),
      ("aspnet:6.0", "aspnet:8.0")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("language", "before", "files", "planted"), PLANTED_ELSEWHERE, ids=lambda v: str(v)[:6]
)
def test_planted_errors_of_other_languages_are_seen(
    language: str, before: str, files: dict[str, str], planted: list[tuple[str, str]]
) -> None:
    start = snapshot(before, files)
    change, text = accepted(language, start)
    assert reason(start, text, change) is None
    for old, new in planted:
        at = text.rindex(old)
        wrong = text[:at] + new + text[at + len(old) :]
        assert reason(start, wrong, change), wrong


def accepted(language: str, before: Snapshot) -> tuple[Change, str]:
    """Return the change that is made, and the text that it makes."""
    found = refactor(before, [transform(language)], Safety.RISKY)
    assert found.steps, [refusal.reason for _, refusal in found.refusals]
    proposed = next(c for c in transform(language).propose(before, None) if isinstance(c, Change))
    return proposed, found.snapshot.text


def reason(before: Snapshot, text: str, change: Change) -> str | None:
    """Return why the verifier rejects a text."""
    after = before.with_text(text)
    return verify(before.evidence, after.evidence, change.claims, change.assumes)


def test_an_assumption_that_is_not_listed_is_seen() -> None:
    before = snapshot(f"{GOLANG}{STATIC}{START}", DEPENDS)
    change, text = accepted("go", before)
    assert change.assumes
    after = before.with_text(text)
    assert verify(before.evidence, after.evidence, change.claims, change.assumes[1:])


RELEASES = {
    "golang:1.22": "bookworm", "golang:1.24.2": "bookworm", "golang:1.24": "trixie",
    "golang:1.23": "", "golang:1.17": "bullseye", "golang": "", "golang:1.22-alpine": "",
    "golang:1.20.5": "", "golang:1.99-bookworm": "bookworm", "rust:1.76-slim": "bookworm",
    "rust:1": "", "rust:1.89": "", "node:20": "bookworm", "node:22": "", "node:22.3.0": "bookworm",
}  # fmt: skip


@pytest.mark.parametrize(("reference", "wanted"), RELEASES.items(), ids=RELEASES)
def test_the_release_of_a_tag(reference: str, wanted: str) -> None:
    assert release(image(reference, {})) == wanted


RUNTIMES = {
    ("golang:1.22-alpine3.20", "musl"): "alpine:3.20",
    ("golang:1.22-alpine", "musl"): "",
    ("golang:1.22@sha256:abc", "glibc"): "",
    ("maven:3.9.9-eclipse-temurin-21-noble", "java"): "eclipse-temurin:21-jre-noble",
    ("maven:3.9-amazoncorretto-21", "java"): "",
    ("gradle:8.10-jdk21-alpine", "java"): "eclipse-temurin:21-jre-alpine",
    ("gradle:6-jdk11", "java"): "",
    ("eclipse-temurin:17-jdk-jammy", "java"): "eclipse-temurin:17-jre-jammy",
    ("openjdk:11-jdk-slim", "java"): "openjdk:11-jre-slim",
    ("openjdk:17-jdk", "java"): "",
    ("mcr.microsoft.com/dotnet/sdk:8.0-noble", "aspnet"):
        "mcr.microsoft.com/dotnet/aspnet:8.0-noble",
    ("mcr.microsoft.com/dotnet/sdk:8.0.404", "aspnet"): "",
    ("mcr.microsoft.com/dotnet/sdk:latest", "aspnet"): "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "wanted"), RUNTIMES.items(), ids=[f"{r} {n}" for r, n in RUNTIMES]
)
def test_a_runtime_follows_from_the_tag_or_there_is_none(
    given: tuple[str, str], wanted: str
) -> None:
    assert runtime(image(given[0], {}), given[1]) == wanted


def test_every_base_of_the_tables_is_described() -> None:
    for row in table("runtime_bases"):
        assert row["source"]
        name = row["runtime"].partition(":")[0]
        assert name in {other["image"] for other in table("base_settings")}
        assert any(other["image"] == row["image"] for other in table("base_settings"))
    assert base(image("golang:1.22", {})) is not None
    assert base(image("ubuntu:24.04", {})) is None
