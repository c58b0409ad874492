"""What a transform may import besides, if it reads the build context and what stands around it."""

from refactor import copy_edits as copy_edits
from refactor import move_edits as move_edits
from refactor import purge_edits as purge_edits
from refactor import split_edits as split_edits
from refactor import stage_edits as stage_edits
from refactor import user_edits as user_edits
from refactor.effects import compiled_sources as compiled_sources
from refactor.effects import distroless as distroless
from refactor.facts import build_secrets as build_secrets
from refactor.facts import container_settings as container_settings
from refactor.facts import development as development
from refactor.facts import leftovers as leftovers
from refactor.facts import lost_scripts as lost_scripts
from refactor.facts import mountable_files as mountable_files
from refactor.facts import non_root as non_root
from refactor.facts import npm_development as npm_development
from refactor.facts import purging as purging
from refactor.facts import python_secrets as python_secrets
from refactor.facts import python_split as python_split
from refactor.facts import reordering as reordering
from refactor.facts import secret_files as secret_files
from refactor.facts import slim_bases as slim_bases
