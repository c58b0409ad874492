"""Serve a front end without the Node that built it.

Where one image builds the files with Node and sends them with nginx, the build stays in a builder.
The image that runs starts from the plain base of the same release, installs the same server, and
takes over its configuration and the files. A server that does more than send files is left alone.
"""

from collections.abc import Iterator

from refactor import Change, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import stage_edits

_FROM = "FROM node:20\nRUN apt-get update && apt-get install -y nginx\nWORKDIR /site\nCOPY . .\n"
_BUILD = "RUN npm install\nRUN npm run build\n"
_CMD = 'CMD ["nginx", "-g", "daemon off;"]\n'
_FILES = ('package.json={"scripts":{"build":"esbuild src/a.js --outfile=dist/a.js"}}', "src/a.js=")


@transform(
    phase=Phase.STAGES,
    triggers=("node",),
    highest=Safety.SUGGESTED,
    examples=[
        Example(f"{_FROM}{_BUILD}RUN cp -r dist/. /var/www/html/\n{_CMD}", refuses="S516"),
        Example(f"{_FROM}{_BUILD}{_CMD}", files=_FILES, refuses="S502",
                note="which files are sent is not seen"),
        Example(f"{_FROM}{_BUILD}RUN cp -r dist/. /var/www/html/\nCMD nginx && node a.js\n",
                files=_FILES, note="Node runs too"),
        Example(f"{_FROM}COPY a.conf /etc/nginx/conf.d/a.conf\n{_BUILD}{_CMD}", refuses="S510",
                files=(*_FILES, "a.conf=location / { proxy_pass http://a; }"),
                note="more than files is sent"),
        Example(f"{_FROM}{_BUILD}RUN cp -r dist/. /var/www/html/\n{_CMD}",
                'FROM node:20 AS builder\nRUN apt-get update && apt-get install -y nginx\n'
                f'WORKDIR /site\nCOPY . .\n{_BUILD}RUN cp -r dist/. /var/www/html/\n\n'
                'FROM debian:bookworm-slim\n'
                'RUN apt-get update && apt-get install -y nginx && rm -rf /var/lib/apt/lists/*\n'
                'WORKDIR /site\nCOPY --from=builder /var/www/html /var/www/html\n'
                f'{_CMD}', files=_FILES),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at the final stage, if it starts from a Node image and runs a server of files."""
    yield from stage_edits.split(snapshot, "frontend", Safety.SUGGESTED)
