"""Files that may build an image in a way that nothing here reads: their words tell.

What a survey of the repository reads, it knows the builds of. A Tiltfile, a script of PowerShell or
Python, a step of Tekton with kaniko, a plugin of Gradle may build the same Dockerfile.
"""

from __future__ import annotations

import re
from functools import lru_cache

from refactor.context import Context
from refactor.outside.records import Found
from refactor.outside.survey import MAX_FILE, files, survey

MAX_TEXTS = 2_000
MAX_READ = 8 * 1024 * 1024
# No program reads them to build: documents, data, settings of what only looks at Dockerfiles.
_SILENT = re.compile(
    r"""(?:.+\.(?:md|markdown|rst|adoc|txt|html?|svg|css|csv|lock|lockb|sum|map|ipynb|patch|diff)
    |LICEN[CS]E.*|CHANGELOG.*|CODEOWNERS|\..*ignore|\.gitattributes|\.editorconfig|labeler\.ya?ml
    |dependabot\.ya?ml|renovate.*\.json5?|\.pre-commit-config\.yaml|\.?hadolint\.ya?ml|trivy\.yaml
    |package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml)\Z""",
    re.IGNORECASE | re.VERBOSE,
)
# Repetitions are bounded, as a text of their first words alone would else be read many times.
_BUILDS = re.compile(
    r"""(?:docker|podman|nerdctl)(?:["',\s]{1,20}(?:buildx|image|builder))?["',\s]{1,20}build\b|buildah|kaniko
    |dockerfile|docker_?(?:build|image)|DockerContext|DockerImageAsset|docker-publish|docker/publish
    |image\.build|images\.build\(|\bjib\b|spring-boot:build-image|runtime:\s*custom|dockerStrategy
    |\bdockers(?:_v2)?:|bmuschko|palantir[\w.]{0,40}docker|nx-container|docker-maven-plugin|publish-docker
    |docker(?:Image)?(?:Code|Function)|fromAsset\(|\bacr\s+build|builds\s+submit|container:push
    |earthly""",
    re.IGNORECASE | re.VERBOSE,
)


@lru_cache(maxsize=8)
def unseen_builds(tree: Context) -> tuple[Found, ...]:
    """Return the files that may build an image and of which no build is known, with what tells."""
    known = survey(tree)
    seen = {build.path for build in known.builds} | {use.path for use in known.uses if use.build}
    seen |= set(known.dockerfiles)
    beyond: list[Found] = []
    found: list[Found] = []
    left = MAX_READ
    for number, path in enumerate(files(tree, beyond)):
        if path in seen or _SILENT.match(path.rpartition("/")[2]):
            continue
        data = tree.head(path, MAX_FILE)
        left -= len(data)
        if number >= MAX_TEXTS or left < 0:
            beyond.append(Found("too many files to look at", path, 0))
            break
        text = data.decode("utf-8", "replace")
        if "\0" not in text and (match := _BUILDS.search(text)):
            found.append(Found(match[0], path, text.count("\n", 0, match.start()) + 1))
    return (*found, *beyond)
