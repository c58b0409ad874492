"""An abstract build: what each stage ends up with, event by event."""

from refactor.effects.build import build as build
from refactor.effects.events import Block as Block
from refactor.effects.events import Build as Build
from refactor.effects.events import Copy as Copy
from refactor.effects.events import Event as Event
from refactor.effects.events import Exec as Exec
from refactor.effects.events import Setting as Setting
from refactor.effects.events import Stage as Stage
from refactor.effects.events import Verbatim as Verbatim
from refactor.effects.events import flat as flat
