"""How is a situation told, so that counsel can read it?

1. Each fact is told once, in the order of the questions a person would ask; a fact that may be anything is left out.
2. Several values are joined by "or".
"""

from collections.abc import Mapping
from typing import Any, Final

_TOLD: Final = {
    "role": "person: {}",
    "age": "age: {}",
    "recipient_kind": "recipient: {}",
    "usable": {True: "usable", False: "suspended"},
    "agreement": {True: "with an agreement", False: "without an agreement"},
    "implicated": {True: "accused by the record", False: "not accused by the record"},
    "in_jurisdiction": "serves the place: {}",
    "duty": "duty toward it: {}",
    "reporter": "signaled by: {}",
    "immediate": "immediate violence: {}",
    "escalating": "escalating violence: {}",
    "perceived": "perceived: {}",
    "fresh": {True: "fresh", False: "not fresh"},
    "basis": "the record's basis: {}",
    "any_granted": {True: "another category granted", False: "no other category granted"},
}


def situation(values: Mapping[str, tuple[Any, ...]]) -> str:
    """A situation in words: for each fact the values it may have."""
    parts = []
    for name, told in _TOLD.items():
        if name in values and isinstance(told, str):
            parts.append(told.format(_joined(values[name])))
        elif name in values and isinstance(told, Mapping):
            parts.append(" or ".join(told[value] for value in values[name]))
    parts += [f"{name.replace('.', ' to ')}: {_joined(some)}" for name, some in values.items() if name not in _TOLD]
    return "; ".join(parts) or "always"


def point(values: Mapping[str, Any]) -> str:
    """One point in words."""
    return situation({name: (value,) for name, value in values.items()})


def _joined(values: tuple[Any, ...]) -> str:
    return " or ".join(str(value).replace("_", " ") for value in values)
