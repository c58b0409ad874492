"""Run a Node application without what only built it.

Compilers, Python and Git that native add-ons are built with, and the dependencies for development
once `npm run build` is done, stay in a builder. The image that runs starts from the same image,
does again what was done outside the application's folder, and takes that folder over as it is.
"""

from collections.abc import Iterator

from refactor import Change, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import stage_edits

_FROM = "FROM node:20-slim\n"
_PACKAGE = 'package.json={"scripts":{"start":"node server.js"},"dependencies":{"bcrypt":"5"}}'
_BUILD = ('package.json={"scripts":{"start":"node dist/app.js","build":"tsc"},'
          '"devDependencies":{"typescript":"5"}}')  # fmt: skip


@transform(
    phase=Phase.STAGES,
    triggers=("node",),
    highest=Safety.SUGGESTED,
    examples=[
        Example(f'{_FROM}WORKDIR /app\nCOPY . .\nRUN npm ci\nCMD ["npm", "start"]\n',
                files=(_PACKAGE,), note="there is nothing to leave out"),
        Example(f'{_FROM}RUN apt-get update && apt-get install -y make g++\nWORKDIR /app\nCOPY . .\n'
                'RUN npm ci\nCMD ["npm", "start"]\n', refuses="S516"),
        Example(f'{_FROM}RUN apt-get update && apt-get install -y make g++\nWORKDIR /app\nCOPY . .\n'
                'RUN npm ci\nCMD make run\n', files=(_PACKAGE,), refuses="S505",
                note="make is needed when it runs"),
        Example(f'{_FROM}RUN apt-get update && apt-get install -y python3 make g++\nWORKDIR /app\n'
                'COPY . .\nRUN npm ci\nCMD ["npm", "start"]\n',
                'FROM node:20-slim AS builder\n'
                'RUN apt-get update && apt-get install -y python3 make g++\nWORKDIR /app\n'
                'COPY . .\nRUN npm ci\n\nFROM node:20-slim\nWORKDIR /app\n'
                'COPY --from=builder /app /app\nCMD ["npm", "start"]\n', files=(_PACKAGE,)),
        Example(f'{_FROM}WORKDIR /app\nCOPY . .\nRUN npm install\nRUN npm run build\n'
                'CMD ["npm", "start"]\n',
                'FROM node:20-slim AS builder\nWORKDIR /app\nCOPY . .\nRUN npm install\n'
                'RUN npm run build\nRUN npm prune --omit=dev\n\nFROM node:20-slim\nWORKDIR /app\n'
                'COPY --from=builder /app /app\nCMD ["npm", "start"]\n', files=(_BUILD,)),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at the final stage, if it starts from a Node image."""
    yield from stage_edits.split(snapshot, "node", Safety.SUGGESTED)
