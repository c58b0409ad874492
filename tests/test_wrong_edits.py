"""Edits that other tools got wrong, as traps for ours: every transform runs, at level risky.

`before` is a Dockerfile, `after` what must come of it exactly, and None that it must stay as it is.
What a case is about stands in `why`. Everything else that holds for all cases is in `test_trap`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import dockerfile as buildkit
import pytest

from refactor.config import Config
from refactor.context import MemoryContext
from refactor.engine import Changed, Refused, Result, Unchanged, run
from refactor.model import Safety
from refactor.project import Site
from refactor.syntax import parse

LISTS = "rm -rf /var/lib/apt/lists/*"
QUIET = "apt-get install -y --no-install-recommends"


@dataclass(frozen=True)
class Trap:
    """One case; `wrong` says why ours is known to be wrong, until it is mended."""

    id: str
    why: str
    before: str
    after: str | None = None
    refused: bool = False
    files: tuple[str, ...] | None = None
    wrong: str = ""
    select: tuple[str, ...] = ("all",)


def same(id: str, why: str, before: str, files: tuple[str, ...] | None = None) -> Trap:
    """Return a trap whose text must stay as it is."""
    return Trap(id, why, before, None, files=files)


PACKAGE_LISTS = [
    Trap(
        "T1-comment-between-packages",
        "a flag goes behind the action, the comment and its continuation stay where they are",
        "FROM debian:12\nRUN apt-get update && apt-get install -y \\\n    gnupg \\\n"
        "# a pager for psql\n    less \\\n && rm -rf /var/lib/apt/lists/*\n",
        f"FROM debian:12\nRUN apt-get update && {QUIET} \\\n    gnupg \\\n"
        "# a pager for psql\n    less \\\n && rm -rf /var/lib/apt/lists/*\n",
    ),
    Trap(
        "T1-package-added-below-a-comment",
        "curl needs ca-certificates: the word must land in the command, not end it",
        "FROM debian:12\nRUN apt-get update && apt-get install -y \\\n    curl \\\n"
        f"    # unpacks\n    xz-utils && {LISTS}\n",
        f"FROM debian:12\nRUN apt-get update && {QUIET} ca-certificates \\\n    curl \\\n"
        f"    # unpacks\n    xz-utils && {LISTS}\n",
    ),
    same(
        "T2-option-values-are-no-packages",
        "the URL belongs to --repository, and is neither sorted nor moved",
        "FROM alpine:3.20\n"
        "RUN apk add --no-cache --repository https://a.example/testing/ gnuplot\n",
    ),
    Trap(
        "T2-option-value-before-packages",
        "-t takes the next word; a package is added behind the last package",
        "FROM debian:12\nRUN apt-get update && apt-get install -y -t bookworm-backports curl"
        f" && {LISTS}\n",
        f"FROM debian:12\nRUN apt-get update && {QUIET} -t bookworm-backports curl ca-certificates"
        f" && {LISTS}\n",
    ),
    Trap(
        "T3-last-continuation-kept",
        "what follows the packages is still a part of the same RUN",
        f"FROM debian:12\nRUN apt-get update \\\n && {QUIET} \\\n    zip \\\n    git \\\n"
        " && git clone https://a.example/r.git\n",
        f"FROM debian:12\nRUN apt-get update \\\n && {QUIET} \\\n    zip \\\n    git \\\n"
        f" && git clone https://a.example/r.git \\\n && {LISTS}\n",
    ),
    same(
        "U6-word-list-unquoted",
        "quotes would make one package name of several",
        f'FROM debian:12\nARG DEPS="zip git"\nRUN apt-get update && {QUIET} $DEPS && {LISTS}\n',
    ),
    same(
        "P11-lists-deleted-then-installed",
        "the later RUN is broken already; nothing is added that hides or spreads it",
        f"FROM debian:12\nRUN apt-get update && {QUIET} zip && {LISTS}\nCOPY a /a\n"
        f"RUN {QUIET} vim\n",
    ),
    same(
        "O8-later-install-needs-the-lists",
        "the first RUN must not delete what the second one reads",
        f"FROM debian:12\nRUN apt-get update && {QUIET} zip\nCOPY a /a\nRUN {QUIET} vim\n",
    ),
    same(
        "O8-later-stage-needs-the-lists",
        "a stage that starts from this one inherits the lists",
        f"FROM debian:12 AS base\nRUN apt-get update && {QUIET} zip\nFROM base\nCOPY a /a\n"
        f"RUN {QUIET} vim\n",
    ),
    same(
        "O8-lists-copied-to-another-stage",
        "COPY --from takes the lists along",
        f"FROM debian:12 AS lists\nRUN apt-get update && {QUIET} zip\nFROM debian:12\n"
        f"COPY --from=lists /var/lib/apt /var/lib/apt\nRUN {QUIET} vim\n",
    ),
    Trap(
        "O8-joined-runs-clean-up-once",
        "install in two neighbouring RUNs: the lists go at the end of the joined one",
        f"FROM debian:12\nRUN apt-get update && {QUIET} zip\nRUN {QUIET} vim\n",
        f"FROM debian:12\nRUN apt-get update && {QUIET} zip \\\n    && {QUIET} vim \\\n"
        f"    && {LISTS}\n",
    ),
    same(
        "O9-apt-get-in-a-string",
        "advice that is printed installs nothing",
        'FROM debian:12\nRUN echo "try apt-get update && apt-get install -y curl"\n',
    ),
    same(
        "O9-apt-get-written-to-a-file",
        "a line of a script that is written is not run here",
        "FROM debian:12\nRUN printf '%s\\n' 'apt-get update' 'apt-get install curl' > /later.sh\n",
    ),
    same(
        "O9-apt-get-in-a-label",
        "only RUN runs",
        'FROM debian:12\nLABEL usage="apt-get update && apt-get install curl"\n',
    ),
    same(
        "D1-heredoc-gets-no-tail",
        "text behind <<EOF turns the script into the tail's input",
        "FROM debian:12\nRUN <<EOF\napt-get update\napt-get install -y zip\nEOF\n",
    ),
    same(
        "D1-heredoc-for-another-shell",
        "the body goes to bash as it stands",
        "FROM debian:12\nRUN <<EOF bash\napt-get update\napt install zip\npip install x\nEOF\n",
    ),
    same(
        "D1-copied-heredoc-is-data",
        "instructions in a file's text are no instructions",
        "FROM debian:12\nCOPY <<EOF /Dockerfile\nMAINTAINER a\nENV A b\nADD c /c\n"
        "RUN apt-get update && apt install d\nEOF\n",
    ),
    Trap(
        "D6-tail-not-in-a-comment",
        "the last line is a comment of a continuation: the cleanup goes behind the command",
        f"FROM debian:12\nRUN apt-get update && \\\n    {QUIET} zip && \\\n"
        "    # see https://a.example/b \\\n    zip --version\n",
        f"FROM debian:12\nRUN apt-get update && \\\n    {QUIET} zip && \\\n"
        f"    # see https://a.example/b \\\n    zip --version && \\\n    {LISTS}\n",
    ),
    Trap(
        "H4-comment-above-the-last-package",
        "a comment line stays a comment line, and the cleanup stays out of it",
        f"FROM debian:12\nRUN apt-get update && {QUIET} \\\n    zip \\\n"
        "    # lists are kept until here \\\n    unzip\n",
        f"FROM debian:12\nRUN apt-get update && {QUIET} \\\n    zip \\\n"
        f"    # lists are kept until here \\\n    unzip \\\n    && {LISTS}\n",
    ),
    same(
        "H4-trailing-shell-comment",
        "what is appended behind # would never run",
        f"FROM debian:12\nRUN apt-get update && {QUIET} zip # for releases\n",
    ),
    same(
        "U13-lists-in-a-cache-mount",
        "nothing to delete in the layer, and the other build's lists in the cache must stay",
        "FROM debian:12\nRUN --mount=type=cache,target=/var/lib/apt,sharing=locked "
        f"apt-get update && {QUIET} zip\n",
    ),
    Trap(
        "U13-update-and-install-in-two-mounted-runs",
        "equal mounts join; an install must not depend on another RUN's cache",
        "FROM debian:12\nRUN --mount=type=cache,target=/var/lib/apt apt-get update\n"
        f"RUN --mount=type=cache,target=/var/lib/apt {QUIET} zip\n",
        "FROM debian:12\nRUN --mount=type=cache,target=/var/lib/apt apt-get update \\\n"
        f"    && {QUIET} zip\n",
    ),
    Trap(
        "H-flag-thrice",
        "each install gets the flag that it lacks, once",
        f"FROM debian:12\nRUN apt-get update && {QUIET} zip && apt-get install -y unzip "
        f"&& apt-get install -y --no-install-recommends bzip2 && {LISTS}\n",
        f"FROM debian:12\nRUN apt-get update && {QUIET} zip && {QUIET} unzip "
        f"&& {QUIET} bzip2 && {LISTS}\n",
    ),
    Trap(
        "P10-user-of-sudo-kept",
        "the cleanup of lists that root fetched through sudo needs sudo as well",
        "FROM debian:12\nUSER app\nRUN sudo apt-get update && sudo apt-get install -y "
        "--no-install-recommends zip\n",
        "FROM debian:12\nUSER app\nRUN sudo apt-get update && sudo apt-get install -y "
        f"--no-install-recommends zip && sudo {LISTS}\n",
    ),
    same(
        "P6-case-pattern-with-exit",
        "`*)` stays a pattern, two blanks in a string stay two, and nothing follows an exit",
        'FROM debian:12\nRUN arch="$(dpkg --print-architecture)"; \\\n  case "$arch" in \\\n'
        "    amd64) url=a ;; \\\n"
        '    *) echo "unsupported  architecture"; exit 1 ;; \\\n  esac; \\\n'
        f"  apt-get update && {QUIET} zip\n",
    ),
    same(
        "P11-exec-form-stays-exec-form",
        "without a shell, && would be an argument",
        'FROM debian:12\nRUN ["apt-get", "update"]\nRUN ["apt-get", "install", "zip"]\n',
    ),
    same(
        "P3-onbuild-has-no-end",
        "what the next image does with the lists is not known",
        f"FROM debian:12\nONBUILD RUN apt-get update && {QUIET} zip\n",
    ),
    Trap(
        "B-program-with-a-path",
        "/usr/bin/apt asks as apt does",
        "FROM debian:12\nRUN /usr/bin/apt-get install --no-install-recommends zip\n",
        "FROM debian:12\nRUN /usr/bin/apt-get install -y --no-install-recommends zip\n",
    ),
]

PIP = [
    Trap(
        "O-errexit-in-the-middle",
        "a script that the model does not look into is left alone, not tried and dropped",
        "FROM debian:12\nRUN a && set -e; apt-get install zip; pip install x\n",
        wrong="assume-yes and others propose what the verifier drops: the model reads "
        "a script with a `set` that does not come first as one unknown command",
    ),
    same(
        "P4-pip-cache-mount",
        "the cache is no part of the layer, and the mount's words are no place for a flag",
        "FROM python:3.12\nRUN --mount=type=cache,target=/root/.cache/pip pip install flask\n",
    ),
    Trap(
        "P4-flag-behind-a-mount",
        "the flag goes into the command, not into the mount",
        "FROM python:3.12\n"
        "RUN --mount=type=bind,source=r.txt,target=/r.txt pip install -r /r.txt\n",
        "FROM python:3.12\nRUN --mount=type=bind,source=r.txt,target=/r.txt "
        "pip install --no-cache-dir -r /r.txt\n",
    ),
    same(
        "D10-pip-in-a-string",
        "text that is printed gets no flag",
        "FROM python:3.12\nRUN printf 'pip install x' && echo \"pip install y\"\n",
    ),
    same(
        "D10-pip-as-an-argument",
        "another program's arguments are its own",
        "FROM python:3.12\nRUN ./wrap pip install x\n",
    ),
    Trap(
        "D5-sudo-and-user-kept",
        "sudo's options stay in front of the command that they are about",
        "FROM python:3.12\nRUN sudo -u app pip install x\n",
        "FROM python:3.12\nRUN sudo -u app pip install --no-cache-dir x\n",
    ),
]

KEY_VALUE = [
    Trap(
        "T4-quotes-are-not-data",
        "the quotes of the old form were never a part of the value",
        'FROM scratch\nLABEL maintainer "Jane <j@a.example>"\nENV MSG "quoted value"\n',
        'FROM scratch\nLABEL maintainer="Jane <j@a.example>"\nENV MSG="quoted value"\n',
    ),
    Trap(
        "T4-single-quotes",
        "single quotes are kept, with what they protect",
        "FROM scratch\nENV MSG 'costs $5'\nENV PART a'b c'd\n",
        "FROM scratch\nENV MSG='costs $5'\nENV PART=a'b c'd\n",
    ),
    Trap(
        "T5-value-over-lines",
        "the whole value stays one value, the line ends stay where they are",
        "FROM scratch\nENV PLATFORMS \\\n\tlinux/386 linux/arm \\\n\twindows/amd64\n",
        'FROM scratch\nENV PLATFORMS="linux/386 linux/arm \\\n\twindows/amd64"\n',
    ),
    Trap(
        "F1-inner-blanks",
        "three blanks within a value stay three, and the value stays whole",
        "FROM scratch\nENV GREETING hello   world\n",
        'FROM scratch\nENV GREETING="hello   world"\n',
    ),
    Trap(
        "K2-no-pairs-merged",
        "in one ENV, the second pair would not see the first",
        "FROM scratch\nENV VERSION=0.2.3\nENV PLACE=/x/$VERSION\nENV A 0\nENV B $A\n",
        "FROM scratch\nENV VERSION=0.2.3\nENV PLACE=/x/$VERSION\nENV A=0\nENV B=$A\n",
    ),
    same(
        "D9-no-duplicate-env-deleted",
        "B=$A sees the A before it; no assignment is idle",
        "FROM scratch\nENV V=3\nENV A=1\nENV A=2 B=$A\nENV A=$V\n",
    ),
    same(
        "D8-escape-is-a-backtick",
        "with another escape character a backslash is a letter",
        "# escape=`\nFROM debian:12\nENV HOME_ c:\\a b\\\nRUN echo one & `\n  echo two\n"
        'COPY ["\\\\a\\\\", "$ProgramFiles\\\\b\\\\"]\n',
    ),
    same(
        "E-modifier-with-a-blank",
        "the default of ${B:-c d} is one word for the lexer: left to a person",
        "FROM scratch\nENV W $A ${B:-c d}\n",
    ),
]

MAINTAINERS = [
    Trap(
        "S-maintainer-not-commented-out",
        "who maintains the image is still said, in the image",
        'FROM scratch\nMAINTAINER Jane Doe <jane@a.example>\nCMD ["/a"]\n',
        "FROM scratch\n"
        'LABEL org.opencontainers.image.authors="Jane Doe <jane@a.example>"\nCMD ["/a"]\n',
    ),
    Trap(
        "S-maintainer-syntax-escaped",
        "MAINTAINER expands nothing, LABEL would: dollar, quote and backslash are escaped",
        'FROM scratch\nMAINTAINER Jane "JD" $Doe \\o/\n',
        'FROM scratch\nLABEL org.opencontainers.image.authors="Jane \\"JD\\" \\$Doe \\\\o/"\n',
    ),
    Trap(
        "D11-no-label-invented",
        "the one label says what MAINTAINER said; no version, no description, no USER",
        "FROM debian:12\nMAINTAINER a@a.example\nRUN a\n",
        'FROM debian:12\nLABEL org.opencontainers.image.authors="a@a.example"\nRUN a\n',
    ),
    same(
        "S-maintainer-in-a-comment", "a comment stays a comment", "FROM scratch\n# MAINTAINER a\n"
    ),
]

MERGES = [
    Trap(
        "O4-or-list-keeps-its-reach",
        "braces: `a || b` && c is not a || `b && c`",
        "FROM debian:12\nRUN test -f /x || echo missing\nRUN echo next\n",
        "FROM debian:12\nRUN { test -f /x || echo missing; } \\\n    && echo next\n",
    ),
    Trap(
        "O4-sequence-keeps-its-reach",
        "braces: the status of a sequence is that of its last command",
        "FROM debian:12\nRUN echo first\nRUN false || true; echo done\n",
        "FROM debian:12\nRUN echo first \\\n    && { false || true; echo done; }\n",
    ),
    same(
        "O4-exit-ends-only-its-own-run",
        "joined, `exit 0` would skip what comes behind it",
        "FROM debian:12\nRUN exit 0\nRUN echo never-lost\n",
    ),
    same(
        "O4-exit-in-a-branch",
        "an exit that may run is an exit",
        "FROM debian:12\nRUN test -f /x || exit 0\nRUN echo never-lost\n",
    ),
    same(
        "O5-directory-does-not-leak",
        "the next RUN starts in the working directory again",
        "FROM debian:12\nWORKDIR /srv\n"
        "RUN cd /opt && wget -q https://a.example/a.tgz\nRUN tar xf a.tgz\n",
    ),
    same(
        "U9-relative-directory-stays-relative",
        "no WORKDIR comes of a cd, and no absolute path of a relative one",
        "FROM debian:12\nRUN cd ntp-dev && ./configure\nRUN make -C ntp-dev\n",
    ),
    same(
        "U9-variable-does-not-leak",
        "an assignment in one shell is unknown in the next",
        'FROM debian:12\nRUN V=1 && echo "$V"\nRUN echo "${V:-unset}"\n',
    ),
    Trap(
        "O6-sequences-of-yum",
        "a failing update is no failure, and joined, the first cleanup would be for nothing",
        "FROM rockylinux:9\nRUN yum update -y; yum clean all\n"
        "RUN yum install -y wget; yum clean all\n",
    ),
    Trap(
        "O7-comments-between-runs",
        "every comment is still there, on a line of its own",
        "FROM debian:12\n# one\nRUN a\n\n# two\n#   and more\nRUN b\n# three\nCMD $C\n",
        "FROM debian:12\n# one\nRUN a \\\n    # two\n    #   and more\n    && b\n# three\nCMD $C\n",
    ),
    Trap(
        "K3-commented-out-code",
        "a line that is commented out neither runs nor swallows the next",
        "FROM debian:12\nRUN a && \\\n  # b && \\\n  c\n\n\nRUN d\n",
        "FROM debian:12\nRUN a && \\\n  # b && \\\n  c && \\\n  d\n",
    ),
    same(
        "P9-comment-behind-a-command",
        "joined, `# why` would swallow what follows",
        "FROM debian:12\nRUN a # why\nRUN b\n",
    ),
    Trap(
        "P9-number-sign-within-a-word",
        "the anchor of a URL is no comment",
        "FROM debian:12\nRUN wget -q https://a.example/b#c\nRUN d\n",
        "FROM debian:12\nRUN wget -q https://a.example/b#c \\\n    && d\n",
    ),
    Trap(
        "K4-sequence-joined-with-and",
        "`a; b` is not `a && b`",
        "FROM debian:12\nRUN a; b\nRUN c\n",
        "FROM debian:12\nRUN { a; b; } \\\n    && c\n",
    ),
    same(
        "K4-windows-has-no-posix-shell",
        "&& means nothing to Windows PowerShell",
        "FROM mcr.microsoft.com/windows/servercore:ltsc2022\n"
        'SHELL ["powershell", "-Command"]\nRUN Write-Host a\nRUN Write-Host b\n',
    ),
    same(
        "K4-shell-of-windows",
        "the default shell of a Windows base is cmd",
        "FROM mcr.microsoft.com/windows/nanoserver:ltsc2022\nRUN echo a\nRUN echo b\n",
    ),
    same(
        "D11-heredocs-are-not-joined",
        "`EOF && <<EOF` would make instructions of the script",
        "FROM debian:12\nRUN <<EOF\na\nEOF\nRUN <<EOF\nb\nEOF\nRUN c\n",
    ),
    same(
        "P3-onbuild-is-not-joined",
        "the trigger belongs to each line",
        "FROM node:20\nONBUILD RUN npm install\nONBUILD RUN npm run build\n",
    ),
    same(
        "O4-mounts-are-not-shared",
        "joined, the secret would be open to the second command",
        "FROM debian:12\nRUN --mount=type=secret,id=t a\nRUN b\n",
    ),
    same(
        "O10-cache-mounts-are-not-invented",
        "the image needs the registry that a mount would take out of it",
        "FROM rust:1.81\nRUN cargo fetch\nCMD cargo run --offline $A\n",
    ),
    same(
        "U5-negation",
        "`!` is about its own pipeline; nothing is put between it and its effect",
        "FROM debian:12\nRUN ! grep -q x /f; \\\n  test -s /f\n",
    ),
    same(
        "O-errexit-is-not-hidden",
        "on the left of && `set -e` does not hold",
        "FROM debian:12\nRUN a\nRUN set -e; b; c\n",
    ),
    Trap(
        "U7-secret-stays-in-one-layer",
        "the file that holds the token is made and deleted in one RUN",
        "FROM node:20\nARG TOKEN\n"
        'RUN echo "//r/:_authToken=$TOKEN" > ~/.npmrc && npm ci && rm ~/.npmrc\n',
        "FROM node:20\nRUN --mount=type=secret,id=TOKEN,env=TOKEN,required=true "
        'echo "//r/:_authToken=$TOKEN" > ~/.npmrc && npm ci && rm ~/.npmrc '
        "&& npm cache clean --force\n",
    ),
    Trap(
        "P10-two-blanks-in-a-checksum-line",
        "sha256sum wants both blanks, find its +",
        'FROM debian:12\nRUN echo "abc  f" | sha256sum -c -\nRUN find /a -type f -exec rm {} +\n',
        'FROM debian:12\nSHELL ["/bin/bash", "-o", "pipefail", "-c"]\n'
        'RUN echo "abc  f" | sha256sum -c - \\\n'
        "    && find /a -type f -exec rm {} +\n",
    ),
    Trap(
        "D2-pipefail-in-dash",
        "dash of Debian 12 knows no pipefail: bash takes its place",
        "FROM debian:12\nRUN curl -s https://a.example | tar x\n",
        'FROM debian:12\nSHELL ["/bin/bash", "-o", "pipefail", "-c"]\n'
        "RUN curl -s https://a.example | tar x\n",
    ),
    Trap(
        "T9-style-is-found-again",
        "operators at line ends stay there: a second run has nothing to put right",
        "FROM debian:12\nRUN a && \\\n  b\nRUN c && \\\n  d\n",
        "FROM debian:12\nRUN a && \\\n  b && \\\n  c && \\\n  d\n",
    ),
]

LEFT_ALONE = [
    same(
        "D2-bar-in-a-sed-script",
        "a bar within quotes is no pipe",
        "FROM debian:12\nRUN sed -i 's|a|b|' /etc/x\n",
    ),
    same(
        "D3-old-base",
        "an old release is a fact to report, not to change",
        "FROM centos:7\nRUN a\nFROM ubuntu:14.04\nRUN b\nFROM debian:stretch\nRUN c\n",
    ),
    same(
        "D5-npm-behind-sudo",
        "the user stays the one that sudo names",
        "FROM node:20\nRUN sudo -u node npm install -g x\n",
    ),
    same(
        "D7-relative-workdir",
        "where a relative WORKDIR leads depends on the base",
        "FROM example.com/base\nWORKDIR android/\nWORKDIR app\n",
    ),
    same(
        "D9-same-line-in-two-stages",
        "EXPOSE of one stage says nothing about the other",
        "FROM a AS x\nEXPOSE 8000\nRUN chmod +x ./g\nFROM b\nEXPOSE 8000\n"
        "COPY . .\nRUN chmod +x ./g\n",
    ),
    same(
        "D9-same-run-twice",
        "what came between may have undone the first",
        "FROM debian:12\nRUN chmod +x ./g\nCOPY . /\nRUN chmod +x ./g\n",
    ),
    same(
        "D10-todo-comments",
        "comments are for people",
        "FROM debian:12\n# TODO pin\nRUN a \\\n # FIXME: slow\n && b\n# XXX\n",
    ),
    same(
        "T7-comment-block-above-stopsignal",
        "a comment stays above what it is about",
        'FROM nginx\nCMD ["nginx"]\n# QUIT lets requests\n# come to an end\n#\n'
        "STOPSIGNAL SIGQUIT\n",
    ),
    same(
        "O1-no-user-invented",
        "a user that does not exist cannot start the container",
        'FROM debian:12\nRUN a\nCMD ["a"]\n',
    ),
    same(
        "O2-shell-form-of-cmd",
        "in exec form nobody expands $PORT or reads &&",
        "FROM node:20\nCMD node server.js --port $PORT\nFROM a\nCMD migrate && exec serve\n",
    ),
    same(
        "H1-no-healthcheck-invented",
        "what answers on which port is not known",
        'FROM scratch\nCOPY a /a\nEXPOSE 8080\nENTRYPOINT ["/a"]\n',
    ),
    same(
        "T6-assignment-before-a-command",
        "the variable is for that one command, within its branch",
        "FROM ruby:3.3\nRUN if [ -d app ]; then \\\n  DUMMY=1 rails assets:precompile; fi\n",
    ),
    same(
        "T8-owner-of-tools",
        "programs in PATH are not the application's to write",
        "FROM a AS b\nFROM python:3.12\nUSER python\nCOPY --from=b /bin/uv /usr/local/bin/\n",
    ),
    same(
        "U8-output-not-hidden-by-a-mount",
        "what the next stage copies must be in the layer",
        "FROM rust:1.80 AS b\nRUN cargo build --release\nFROM scratch\n"
        "COPY --from=b /target/release/x /x\n",
    ),
    same(
        "O3-cmd-over-lines",
        "a shell form over lines is no JSON",
        "FROM debian:12\nCMD ${ROOT}/build/x \\\n  --ini y\n",
    ),
    same(
        "U12-modes-and-apk-flags",
        "1777 stays 1777, --no-cache stays",
        "FROM alpine:3.20\nRUN chmod 1777 /run/x && apk --no-cache add curl\n",
    ),
    same(
        "U4-variables-unquoted",
        "a missing quote can be meant",
        "FROM debian:12\n"
        'RUN apt-mark manual $saved > /dev/null; if [ -z "$X" ]; then echo $X/; fi\n',
    ),
    same(
        "P5-yum-cache",
        "a cleanup of another package manager is not ours to write, least of all into a word",
        "FROM rockylinux:9\nRUN yum install -y x; yum clean all\n",
    ),
    same(
        "P8-deleted-twice",
        "rm of a file that is gone would fail",
        "FROM debian:12\nRUN wget -q -O /tmp/g.tgz https://a.example/g.tgz && tar xf /tmp/g.tgz "
        "&& rm -rf /tmp/*\n",
    ),
]

FROM_LINES = [
    Trap(
        "P1-from-keeps-every-part",
        "platform, port, tag, digest and name are a reference's parts; only `as` is written anew",
        "FROM --platform=$BUILDPLATFORM golang:1.18-alpine as build\n"
        f"FROM r.example:5000/a/b:1@sha256:{'0' * 64} as run\nCOPY --from=build /x /x\n",
        "FROM --platform=$BUILDPLATFORM golang:1.18-alpine AS build\n"
        f"FROM r.example:5000/a/b:1@sha256:{'0' * 64} AS run\nCOPY --from=build /x /x\n",
    ),
    same(
        "K1-stage-is-no-image",
        "a stage's name gets no tag",
        "FROM --platform=linux/amd64 python:3.12-alpine AS base\nFROM base AS build\nFROM base\n"
        "COPY --from=build /x /x\n",
    ),
    Trap(
        "P2-directives-stay-first",
        "syntax and check only count at the very top",
        "# syntax=docker/dockerfile:1\n# check=error=true\nFROM scratch\nMAINTAINER a\n",
        "# syntax=docker/dockerfile:1\n# check=error=true\nFROM scratch\n"
        'LABEL org.opencontainers.image.authors="a"\n',
    ),
    Trap(
        "P2-missing-final-newline",
        "a file without a newline at its end keeps it that way",
        "FROM scratch\nMAINTAINER a",
        'FROM scratch\nLABEL org.opencontainers.image.authors="a"',
    ),
    Trap(
        "F2-unknown-instruction",
        "what is not understood is refused, never deleted",
        "FROM debian:12\nINCLUDE x\nMAINTAINER y\n",
        refused=True,
    ),
    Trap(
        "F2-instruction-of-another-frontend",
        "the same with an instruction that some frontends know",
        "# syntax=devthefuture/dockerfile-x\nFROM debian:12\nINCLUDE+ x\nMAINTAINER y\n",
        refused=True,
    ),
    Trap(
        "F2-escape-directive-is-no-crash",
        "a file with escape=` is read, and its one old line replaced",
        "# escape=`\nFROM mcr.microsoft.com/windows/nanoserver:ltsc2022\nMAINTAINER a\n",
        "# escape=`\nFROM mcr.microsoft.com/windows/nanoserver:ltsc2022\n"
        'LABEL org.opencontainers.image.authors="a"\n',
    ),
    Trap(
        "hadolint-comment-behind-a-heredoc",
        "a comment below EOF is a comment",
        "FROM debian:12\nRUN <<EOF\na\nEOF\n# who\nMAINTAINER b\n",
        'FROM debian:12\nRUN <<EOF\na\nEOF\n# who\nLABEL org.opencontainers.image.authors="b"\n',
    ),
]

ADDS = [
    same(
        "H3-archives-are-unpacked",
        "ADD unpacks, COPY does not",
        "FROM scratch\nADD rootfs.tar.gz /\nADD a.tgz b.txt /p/\nADD c.tar.xz /q/\n",
        files=("rootfs.tar.gz", "a.tgz", "b.txt", "c.tar.xz"),
    ),
    same(
        "H3-archive-by-its-first-bytes",
        "the content decides, not the name",
        "FROM scratch\nADD payload /\n",
        files=("payload=\x1f\x8b\x08",),
    ),
    same(
        "P7-urls-are-fetched",
        "COPY knows no URL",
        "FROM debian:12\nADD https://a.example/agent.jar /x\n"
        "ADD --chown=1:1 https://a.example/b.jar /y\nADD git@git.example:a/b.git /s\n",
    ),
    Trap(
        "H3-plain-file",
        "where both do the same, COPY says so",
        "FROM scratch\nADD --chown=1:1 a.txt /a\n",
        "FROM scratch\nCOPY --chown=1:1 a.txt /a\n",
        files=("a.txt",),
    ),
    same(
        "H3-source-in-a-variable",
        "what is added is only known to the build",
        "FROM scratch\nARG FILE\nADD $FILE /a\n",
        files=("a.txt",),
    ),
]

DNF = "dnf clean all"
MOUNTS = ("mount-package-caches",)
MANAGERS = [
    same(
        "U12-flag-in-front-of-the-action",
        "the option counts wherever it stands, and CMD is another instruction",
        'FROM alpine:3.20\nRUN apk --no-cache add ca-certificates wrk\nCMD ["wrk"]\n',
    ),
    same(
        "P5-cleaned-by-a-sequence",
        "the RUN cleans up already, whatever is between the two",
        "FROM centos:7\nRUN yum install -y zip; yum clean all\nCMD $A\n",
    ),
    same(
        "O10-offline-at-run-time",
        "what was fetched is needed when the container runs",
        "FROM rust:1.80\nRUN cargo fetch\nCMD cargo run --offline $A\n",
    ),
    same(
        "U8-module-cache-of-a-later-build",
        "a build without the modules would fetch them again, or fail",
        'FROM golang:1.23\nRUN go mod download\nCOPY . /src\nRUN make\nCMD ["go", "test"]\n',
    ),
    same(
        "D1-body-of-a-heredoc",
        "nothing goes behind the word that opens a heredoc, and nothing into it",
        "FROM fedora:40\nRUN <<EOF\ndnf install -y zip\nEOF\nCMD $A\n",
    ),
    Trap(
        "H4-comment-below-the-last-package-of-dnf",
        "the cleanup is a command of its own, not a part of a comment",
        "FROM fedora:40\nRUN dnf install -y --setopt=install_weak_deps=False \\\n    # for x\n"
        "    zip \\\n    # the end\n    git\nCMD $A\n",
        "FROM fedora:40\nRUN dnf install -y --setopt=install_weak_deps=False \\\n    # for x\n"
        "    zip \\\n    # the end\n    git \\\n    && dnf clean all\nCMD $A\n",
    ),
    Trap(
        "T2-value-of-an-option-of-dnf",
        "the repository is a value: the flag stands behind the action, the packages stay",
        f"FROM fedora:40\nRUN dnf --enablerepo crb install zip && {DNF}\nCMD $A\n",
        "FROM fedora:40\nRUN dnf --enablerepo crb install -y --setopt=install_weak_deps=False zip "
        f"&& {DNF}\nCMD $A\n",
    ),
    same(
        "B-npm-is-only-recommended",
        "without weak dependencies Fedora's nodejs comes without npm",
        f"FROM fedora:40\nRUN dnf install -y nodejs && {DNF}\nCMD $A\n",
    ),
    same(
        "B-pattern-is-made-of-recommendations",
        "without recommendations a pattern installs next to nothing",
        "FROM opensuse/leap:15\nRUN zypper in -y -t pattern devel_basis && zypper clean\nCMD $A\n",
    ),
    same(
        "P8-archive-that-is-gone",
        "rm of a file that is gone would fail",
        "FROM debian:12\nRUN wget -q https://a.example/a.tgz && tar xf a.tgz && rm a.tgz\n",
    ),
    same(
        "U5-busybox-wget",
        "busybox knows no --progress",
        "FROM alpine:3.20\nRUN wget https://a.example/a.tgz\n",
    ),
    same(
        "K4-powershell",
        "a stage of Windows is no POSIX shell",
        "FROM mcr.microsoft.com/windows/servercore:ltsc2022\nRUN npm install x; yarn install\n",
    ),
    same(
        "D5-cache-that-another-user-has",
        "the cache is that of the user whom sudo names",
        "FROM node:20\nRUN sudo -u node npm install x\n",
    ),
    Trap(
        "U13-install-in-a-later-run",
        "what is mounted in one RUN is not there in the next",
        "FROM debian:12\nRUN apt-get update && apt-get install -y a\nRUN apt-get install -y b\n",
        select=MOUNTS,
    ),
    Trap(
        "U8-mount-over-what-a-build-reads",
        "modules and crates that later builds read are not hidden behind a mount",
        "FROM rust:1.80\nRUN cargo fetch\nCOPY . .\nRUN cargo build --release --offline\n",
        select=MOUNTS,
    ),
    Trap(
        "U12-cleanup-goes-only-with-a-mount",
        "what empties the cache goes where the cache is mounted, and stays elsewhere",
        f"FROM debian:12\nRUN apt-get update && {QUIET} zip && {LISTS}\nRUN {LISTS}\n",
        "FROM debian:12\nRUN --mount=type=cache,target=/var/lib/apt/lists,sharing=locked "
        f"apt-get update && {QUIET} zip\nRUN {LISTS}\n",
        select=MOUNTS,
    ),
    Trap(
        "P4-mount-beside-a-mount",
        "the second mount is a flag of its own, with a blank in front of the command",
        "FROM python:3.12\nRUN --mount=type=secret,id=a pip install zip\n",
        "FROM python:3.12\nRUN --mount=type=secret,id=a --mount=type=cache,target=/root/.cache/pip "
        "pip install zip\n",
        select=MOUNTS,
    ),
]

# What readers of our own diffs found.
REVIEWED = [
    same(
        "R-pecl-runs-make",
        "make came with a package that is only recommended, and pecl calls it",
        f"FROM ubuntu:24.04\nRUN apt-get update && apt-get install -y php-pear php8.3-dev "
        f"&& {LISTS} && pecl install event\n",
    ),
    same(
        "R-containers-that-install",
        "what the base runs installs packages from the lists, without an update",
        f"FROM gcr.io/oss-fuzz-base/base-builder\nRUN apt-get update && {QUIET} zip\n",
    ),
    same(
        "R-wget2",
        "Fedora's wget is wget2, which fails on --progress=dot:giga in some releases",
        "FROM fedora:41\nRUN wget https://a.example/a\n",
    ),
    same(
        "R-cache-deleted-by-hand",
        "npm would make its folder again, only to delete what is in it",
        "FROM node:22\nRUN npm ci && rm -rf /tmp/* /root/.npm\n",
    ),
    same(
        "R-home-deleted-by-hand",
        "composer would make its home again",
        'FROM php:8.3\nENV COMPOSER_HOME=/c\nRUN composer install && rm -rf "$COMPOSER_HOME"\n',
    ),
    same(
        "R-cleaned-behind-a-pipe",
        "-Scc is no installation, whatever its letter",
        "FROM archlinux\nRUN pacman -Sy --noconfirm zip && yes | pacman -Scc\nCMD $A\n",
    ),
    Trap(
        "R-cleanup-two-runs-above",
        "the lists that the first RUN deletes are fetched again in the third, which stays apart",
        f"FROM debian:12\nRUN apt-get update && {QUIET} zip && {LISTS}\n\nRUN a\n\n"
        f"RUN apt-get update && {QUIET} git && {LISTS}\n",
        f"FROM debian:12\nRUN apt-get update && {QUIET} zip && {LISTS} \\\n    && a\n\n"
        f"RUN apt-get update && {QUIET} git && {LISTS}\n",
    ),
    same(
        "R-option-in-a-variable",
        "the variable brings the option already",
        "FROM alpine:3.20\nARG FLAGS=--no-cache\nRUN apk add $FLAGS zip\n",
    ),
    same(
        "R-build-flags-are-recommended",
        "gems with C code need redhat-rpm-config",
        f"FROM fedora:40\nRUN dnf install -y ruby-devel && {DNF}\nCMD $A\n",
    ),
    same(
        "R-python-2-compiles",
        "pip of Python 2 compiles, with headers and a compiler that are recommended",
        f"FROM debian:10\nRUN apt-get update && apt-get install -y python-pip && {LISTS}\n",
    ),
    same(
        "R-cleanup-in-the-middle",
        "joined, the first cleanup would only make the second RUN fetch again",
        f"FROM fedora:40\nRUN dnf install -y --setopt=install_weak_deps=False zip && {DNF}\n"
        f"RUN dnf install -y --setopt=install_weak_deps=False git && {DNF}\nCMD $A\n",
    ),
    Trap(
        "R-keepers-once",
        "what one install keeps by name, the next need not",
        "FROM debian:12\nRUN apt-get update && apt-get install -y curl "
        f"&& apt-get install -y wget && {LISTS}\n",
        f"FROM debian:12\nRUN apt-get update && {QUIET} curl ca-certificates "
        f"&& {QUIET} wget && {LISTS}\n",
    ),
    same(
        "R-comment-above-a-block",
        "the comment heads the user, the directory and the RUN, not the RUN alone",
        "FROM debian:12\nRUN mkdir /a\n\n# who runs it\nRUN useradd app\nUSER app\nWORKDIR /a\n",
    ),
]

TRAPS = [
    *MANAGERS,
    *REVIEWED,
    *PACKAGE_LISTS, *PIP, *KEY_VALUE, *MAINTAINERS, *MERGES, *LEFT_ALONE, *FROM_LINES, *ADDS,
]  # fmt: skip


# What a trap does not ask for: it would differ in what is right as well.
TASTE = ("group-metadata", "order-metadata", "sort-packages", "use-workdir")


def _look(trap: Trap, text: str) -> Result:
    config = Config(select=trap.select, ignore=TASTE, level=Safety.RISKY)
    files = {n: d for n, _, d in (f.partition("=") for f in trap.files or ())}
    context = MemoryContext({n: d.encode("latin-1") for n, d in files.items()})
    return run("Dockerfile", text.encode(), config, Site(context) if trap.files else None)


def _parameter(trap: Trap) -> object:
    marks = [pytest.mark.xfail(strict=True, reason=trap.wrong)] if trap.wrong else []
    return pytest.param(trap, id=trap.id, marks=marks)


def _instructions(text: str) -> int:
    """Count the instructions; SHELL is the one that a transform may add."""
    return sum(command.cmd.upper() != "SHELL" for command in buildkit.parse_string(text))


@pytest.mark.parametrize("trap", [_parameter(trap) for trap in TRAPS])
def test_trap(trap: Trap) -> None:
    result = _look(trap, trap.before)
    if trap.refused:
        assert isinstance(result, Refused), trap.why
        return
    assert isinstance(result, Changed | Unchanged), result
    after = result.after.decode() if isinstance(result, Changed) else trap.before
    assert after == (trap.before if trap.after is None else trap.after), trap.why
    assert [r.reason for r in result.remarks if r.kind == "dropped"] == []
    assert isinstance(_look(trap, after), Unchanged), "a second run finds more to do"
    assert Counter(parse(after).comments) == Counter(parse(trap.before).comments)
    assert _instructions(after) <= _instructions(trap.before)


def test_each_trap_is_told_apart() -> None:
    assert len({trap.id for trap in TRAPS}) == len(TRAPS) >= 45
    assert len({trap.before for trap in TRAPS}) == len(TRAPS)
    assert all(trap.why for trap in TRAPS)
