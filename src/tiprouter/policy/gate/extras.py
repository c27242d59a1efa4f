"""Are the packages there that a proof needs?

1. They are imported when a proof begins, never before: the service decides without them.
2. Without them nothing is proved, so nothing is activated: the refusal is one line, never a way round.
"""

import importlib
from types import ModuleType

from tiprouter.errors import TiprouterError


class GateUnavailableError(TiprouterError):
    """The gate's extra packages are missing: nothing is activated."""

    def __init__(self) -> None:
        super().__init__("the gate's extra packages are missing: nothing is activated (install tiprouter[gate])")


def extra(name: str) -> ModuleType:
    """One of the extra packages, `numpy` or `z3`. Raises `GateUnavailableError`."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise GateUnavailableError from error
