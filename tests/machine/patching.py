"""How is a fault planted into modules as they are loaded, and taken out again?"""

from importlib import import_module
from typing import Any
from unittest.mock import patch


def room(name: str) -> Any:  # noqa: ANN401 - a module whose inside a fault replaces
    """A module of the product."""
    return import_module(f"tiprouter.{name}")


def inside(where: object, name: str) -> Any:  # noqa: ANN401 - as above
    """What a module keeps to itself: a fault is planted where it would be made."""
    return getattr(where, name)


def put(where: object, name: str, value: object) -> Any:  # noqa: ANN401 - what unittest calls a patcher
    """A patcher that puts `value` there."""
    return patch.object(where, name, value)
