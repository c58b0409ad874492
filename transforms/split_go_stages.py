"""Run a Go program on a base without the Go toolchain.

The stage that builds becomes a builder; a new stage takes the program over, with the files that it
reads, and is started as before. A static program runs on `gcr.io/distroless/static-debian13`, any
other one on the slim image of the release that it was built on. Nothing changes unless every
command of the stage is known, and everything that runs in the image is found.
"""

from collections.abc import Iterator

from refactor import Change, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import stage_edits

_FILES = ("go.mod=module example.com/app\n\ngo 1.22\n",
          'main.go=package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("a") }\n')  # fmt: skip
_FROM = "FROM golang:1.22\nWORKDIR /src\nCOPY . .\n"
_BUILD = "RUN CGO_ENABLED=0 go build -o /app\n"


@transform(
    phase=Phase.STAGES,
    triggers=("golang",),
    highest=Safety.SUGGESTED,
    examples=[
        Example(f'{_FROM}{_BUILD}CMD ["/app"]\n', refuses="S516", note="no build context is known"),
        Example(f'{_FROM}{_BUILD}CMD ["go", "run", "."]\n', files=_FILES, refuses="S510",
                note="it is compiled when it starts"),
        Example(f"{_FROM}RUN make\nCMD [\"./app\"]\n", files=_FILES, refuses="S502",
                note="what make leaves is not known"),
        Example(f'{_FROM}{_BUILD}CMD ["/app"]\n',
                'FROM golang:1.22 AS builder\nWORKDIR /src\nCOPY . .\n'
                f'{_BUILD}\nFROM gcr.io/distroless/static-debian13\nWORKDIR /src\n'
                'COPY --from=builder /app /app\nCMD ["/app"]\n', files=_FILES),
        Example(f"{_FROM}RUN go build\nCMD ./app\n",
                'FROM golang:1.22 AS builder\nWORKDIR /src\nCOPY . .\nRUN go build\n\n'
                'FROM debian:bookworm-slim\nWORKDIR /src\n'
                'COPY --from=builder /etc/ssl/certs/ca-certificates.crt '
                '/etc/ssl/certs/ca-certificates.crt\n'
                'COPY --from=builder /src/app /src/app\nCMD ./app\n', files=_FILES,
                note="cgo may be on: the same C library is needed"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at the final stage, if it starts from a Go image."""
    yield from stage_edits.split(snapshot, "go", Safety.SUGGESTED)
