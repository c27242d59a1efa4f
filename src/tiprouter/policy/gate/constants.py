"""Which constants can a Cedar expression be, and what do Cedar's operators make of two of them?

1. A constant is a tagged tuple, so that the whole number 1 and the truth true stay apart.
2. An operator gives a truth, a constant, or `ErringError` where Cedar's evaluation errs: arithmetic that leaves 64
   bits, and an operator on a type it is not defined for. `==` on two types is false, as in Cedar.
3. `in` knows the one hierarchy there is: an action and its groups. Every other entity is in itself only.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from tiprouter.policy.questions import groups_of

Constant: TypeAlias = tuple[Any, ...]

_LIMIT: Final = 2**63


class UnmodelledError(Exception):
    """A construct that the gate does not model; the text names it."""


class ErringError(Exception):
    """Cedar's evaluation errs."""


def entity(kind: str, identifier: str) -> Constant:
    """The constant of an entity."""
    return ("entity", kind, identifier)


def constant_of(value: object) -> Constant:
    """The constant of a literal that is no truth. Raises `UnmodelledError`."""
    match value:
        case {"__entity": {"type": str(kind), "id": str(identifier)}}:
            return entity(kind, identifier)
        case int():
            return ("long", value)
        case str():
            return ("string", value)
        case _:
            raise UnmodelledError("a literal of this type")


def _long(constant: Constant) -> int:
    if constant[0] != "long":
        raise ErringError
    number: int = constant[1]
    return number


def _members(constant: Constant) -> frozenset[Constant]:
    if constant[0] != "set":
        raise ErringError
    members: frozenset[Constant] = constant[1]
    return members


def _summed(number: int) -> Constant:
    if not -_LIMIT <= number < _LIMIT:
        raise ErringError
    return ("long", number)


def _within(one: Constant, other: Constant) -> bool:
    """Cedar's `in`, of one entity in another or in any of a set."""
    if one[0] != "entity" or other[0] not in ("entity", "set"):
        raise ErringError
    above = {entity("Action", name) for name in groups_of(one[2])} if one[1] == "Action" else {one}
    return bool(above & (other[1] if other[0] == "set" else {other}))


def _is(one: Constant, kind: Constant) -> bool:
    if one[0] != "entity":
        raise ErringError
    return bool(one[1] == kind[1])


OPERATORS: Final[Mapping[str, Callable[[Constant, Constant], Constant | bool]]] = {
    "==": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: _long(one) < _long(other),
    "<=": lambda one, other: _long(one) <= _long(other),
    ">": lambda one, other: _long(one) > _long(other),
    ">=": lambda one, other: _long(one) >= _long(other),
    "+": lambda one, other: _summed(_long(one) + _long(other)),
    "-": lambda one, other: _summed(_long(one) - _long(other)),
    "*": lambda one, other: _summed(_long(one) * _long(other)),
    "in": _within,
    "is": _is,
    "contains": lambda one, other: other in _members(one),
    "containsAll": lambda one, other: _members(other) <= _members(one),
    "containsAny": lambda one, other: bool(_members(other) & _members(one)),
}
"""Operators of two sides; `is` has a type on its right."""

SIGNED: Final[Mapping[str, Callable[[Constant], Constant | bool]]] = {
    "neg": lambda one: _summed(-_long(one)),
    "isEmpty": lambda one: not _members(one),
}
"""Operators of one side."""
