"""Run a Rust program on a base without the Rust toolchain.

The stage that builds stays as a builder; a new stage on the slim Debian of the same release takes
the program over, with the files beside the sources that it may read. The libraries that its crates
link to are read in Cargo.lock and installed.
"""

from collections.abc import Iterator

from refactor import Change, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import stage_edits

_FROM = "FROM rust:1.85\nWORKDIR /src\nCOPY . .\nRUN cargo build --release\n"
_CMD = 'CMD ["./target/release/app"]\n'
_FILES = ('Cargo.toml=[package]\nname = "app"\n', "src/main.rs=fn main() {}\n")
_LOCK = 'Cargo.lock=[[package]]\nname = "app"\n'
_SSL = f'{_LOCK}\n[[package]]\nname = "openssl-sys"\n'


@transform(
    phase=Phase.STAGES,
    triggers=("rust",),
    highest=Safety.RISKY,
    examples=[
        Example(f"{_FROM}{_CMD}", refuses="S516", note="no build context is known"),
        Example(f"{_FROM}{_CMD}", files=_FILES, refuses="S501", note="there is no Cargo.lock"),
        Example(f"{_FROM}CMD cargo run\n", files=(*_FILES, _LOCK), refuses="S510"),
        Example(f"{_FROM.replace(':1.85', '')}{_CMD}", files=(*_FILES, _LOCK), refuses="S511",
                note="the release is not known"),
        Example(f"{_FROM}{_CMD}",
                'FROM rust:1.85 AS builder\nWORKDIR /src\nCOPY . .\nRUN cargo build --release\n\n'
                'FROM debian:bookworm-slim\nRUN apt-get update && apt-get install -y '
                '--no-install-recommends ca-certificates libssl3 && rm -rf /var/lib/apt/lists/*\n'
                'WORKDIR /src\n'
                'COPY --from=builder /src/target/release/app /src/target/release/app\n'
                f'{_CMD}', files=(*_FILES, _SSL)),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at the final stage, if it starts from a Rust image."""
    yield from stage_edits.split(snapshot, "rust", Safety.RISKY)
