"""Reads, checks and rewrites Dockerfiles. A transform imports what stands here, nothing else."""

from refactor import edits as edits
from refactor import words as words
from refactor.facts import apt as apt
from refactor.facts import joining as joining
from refactor.facts import metadata as metadata
from refactor.facts import packages as packages
from refactor.facts import pragmas as pragmas
from refactor.facts import rows as rows
from refactor.facts import sources as sources
from refactor.facts import stages as stages
from refactor.model import Change as Change
from refactor.model import Claim as Claim
from refactor.model import Effect as Effect
from refactor.model import Example as Example
from refactor.model import Finding as Finding
from refactor.model import Notice as Notice
from refactor.model import Phase as Phase
from refactor.model import Refusal as Refusal
from refactor.model import Safety as Safety
from refactor.model import Transform as Transform
from refactor.model import transform as transform
from refactor.snapshot import Run as Run
from refactor.snapshot import Snapshot as Snapshot
from refactor.source import Edit as Edit
from refactor.source import Span as Span
from refactor.syntax import Instruction as Instruction
