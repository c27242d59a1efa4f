"""Does a policy compare a fact with a word of another vocabulary?

1. Cedar's validator accepts `resource.age == Consent::"granted"`, which is never true: a guard written so never
   guards. Every comparison (`==`, `!=`, `in`, `contains`, `containsAll`, `containsAny`) of two known types that
   differ is refused.
2. `is` on a fact is refused when it asks for another type, for the same reason.

Not promised: that a policy can ever match. That is proved over the whole fact space, not read off the text.
"""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from cedarpy import pst

from tiprouter.policy.questions import FACT_TYPES

_ONE_TO_ONE = ("eq", "not_eq", "in")
_SET_TO_ONE = ("contains",)
_SET_TO_SET = ("contains_all", "contains_any")
_PARTS: dict[type, tuple[str, ...]] = {}


def complaints(policy: pst.Template) -> Iterator[str]:
    """Each comparison of a policy that can never be what it says (rules 1 and 2)."""
    for node in _nodes(policy.clauses):
        if isinstance(node, pst.BinaryOp) and node.op in (*_ONE_TO_ONE, *_SET_TO_ONE, *_SET_TO_SET):
            kinds = _kinds(node.left) | _kinds(node.right)
            if len(kinds) > 1:
                yield f"it compares {' with '.join(sorted(kinds))}, which is never true"
        if isinstance(node, pst.Is) and _kinds(node.base) - {str(node.entity_type)}:
            yield f"it asks whether {_kinds(node.base).pop()} is {node.entity_type}, which is never true"


def _kinds(node: pst.Expr) -> set[str]:
    """The known types an expression's value, or its elements, can have; empty when nothing is known."""
    match node:
        case pst.EntityLit(value):
            return {str(value.type)}
        case pst.GetAttr(pst.Var(variable), attribute):
            kind = FACT_TYPES.get((variable, attribute))
            return {kind} if kind is not None and kind != "Bool" else set()
        case pst.Set(elements):
            return {kind for element in elements for kind in _kinds(element)}
        case pst.IfThenElse(_, then, otherwise):
            return _kinds(then) | _kinds(otherwise)
        case _:
            return set()


def _nodes(root: object) -> Iterator[object]:
    """Every node at any depth, with an explicit stack: depth is the author's choice."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, tuple):
            stack.extend(node)
        elif isinstance(node, pst.Record):
            stack.extend(node.fields.values())
        else:
            stack.extend(getattr(node, name) for name in _parts(type(node)))


def _parts(kind: type) -> tuple[str, ...]:
    """The names of a node's fields; a leaf has none."""
    if kind not in _PARTS:
        _PARTS[kind] = tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
    return _PARTS[kind]
