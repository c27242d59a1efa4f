"""Every small change to a bundle's policies that a hand might make.

A policy is dropped, or turned from permit to forbid. Its action becomes every other one, group, or list with one more
or one less. A condition, or one side of an `&&` or `||`, is dropped or negated; `&&` becomes `||`, `==` becomes `!=`; a
word becomes every other word of its vocabulary; a set loses each of its words, or gains another one. An obligation is
lost, or becomes another: a deadline twice as long, one where there was none, another notice.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from tiprouter.domain.outcome import Notice
from tiprouter.domain.vocabulary import Category
from tiprouter.policy.annotations import Effect, PolicyNote
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.layers import Policy
from tiprouter.policy.questions import QUESTIONS, WORDS

Tree = dict[str, Any]
Path = tuple[Any, ...]

GROUPS = ("disclose", "minimum", "personal")
OTHER_OPERATOR = {"&&": "||", "||": "&&", "==": "!=", "!=": "=="}
OTHER_EFFECT = {Effect.PERMIT: Effect.FORBID, Effect.FORBID: Effect.PERMIT}
NOTICES = (None, *(notice for notice in Notice if notice is not Notice.NOT_REQUIRED))
AN_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one kind; `policy` is None when the policy is dropped."""

    kind: str
    what: str
    id: str
    policy: Policy | None

    def of(self, bundle: Bundle) -> Bundle:
        """The bundle with this change."""
        kept = tuple(policy for policy in bundle.policies if policy.note.id != self.id)
        changed = () if self.policy is None else (self.policy,)
        notes = {name: note for name, note in bundle.notes.items() if name != self.id}
        return replace(
            bundle, policies=(*kept, *changed), notes=notes | {policy.note.id: policy.note for policy in changed}
        )

    def __str__(self) -> str:
        return f"{self.id}: {self.kind} {self.what}".strip()


def mutants(bundle: Bundle) -> Iterator[Mutant]:
    """Every mutant of every deciding policy that is written by hand."""
    for policy in bundle.policies:
        name, tree = policy.note.id, dict(policy.tree)
        yield Mutant("dropped", "", name, None)
        effect = OTHER_EFFECT[policy.note.effect]
        turned = replace(policy.note, effect=effect, deadline=None, notify_subject=None)
        yield Mutant("turned", effect.value, name, replace(policy, note=turned, tree=tree | {"effect": effect.value}))
        for action in _actions(tree["action"]):
            yield Mutant("action", _named(action), name, replace(policy, tree=tree | {"action": action}))
        for kind, what, changed in _conditions(tree):
            yield Mutant(kind, what, name, replace(policy, tree=changed))
        for what, note in _obliged(policy.note):
            yield Mutant("obligation", what, name, replace(policy, note=note))


def _actions(scope: Tree) -> Iterator[Tree]:
    """Every other action, group or list."""
    every: list[Tree] = [{"op": "All"}]
    every += [{"op": "==", "entity": _action(question)} for question in QUESTIONS]
    every += [{"op": "in", "entity": _action(group)} for group in GROUPS]
    listed = [entity["id"] for entity in scope.get("entities", ())]
    if listed:
        others = [category.value for category in Category if category.value not in listed]
        lists = [[one for one in listed if one != dropped] for dropped in listed] + [[*listed, one] for one in others]
        every += [{"op": "in", "entities": [_action(one) for one in some]} for some in lists]
    return (action for action in every if action != scope)


def _conditions(tree: Tree) -> Iterator[tuple[str, str, Tree]]:
    for at, condition in enumerate(tree["conditions"]):
        before, after = tree["conditions"][:at], tree["conditions"][at + 1 :]
        other = {"when": "unless", "unless": "when"}[condition["kind"]]
        yield "condition dropped", f"{condition['kind']} {at}", tree | {"conditions": [*before, *after]}
        negated = [*before, condition | {"kind": other}, *after]
        yield "condition negated", f"{condition['kind']} {at}", tree | {"conditions": negated}
    for path, node in _nodes(tree["conditions"], ()):
        for kind, what, changed in _changed(node):
            yield kind, f"{what} at {'/'.join(map(str, path))}", _with(tree, path, changed)


def _changed(node: Any) -> Iterator[tuple[str, str, Any]]:  # noqa: ANN401 - JSON of any shape
    """What may become of one node."""
    match node:
        case {"&&": sides} | {"||": sides} | {"==": sides} | {"!=": sides}:
            ((operator, _),) = node.items()
            yield "operator", OTHER_OPERATOR[operator], {OTHER_OPERATOR[operator]: sides}
            if operator in ("&&", "||"):
                yield from _halved(operator, sides)
        case {"__entity": {"type": kind, "id": word}}:
            for other in _words(kind):
                if other != word:
                    yield "word", f"{word} to {other}", {"__entity": {"type": kind, "id": other}}
        case {"Set": [{"Value": {"__entity": {"type": kind}}}, *_] as members}:
            yield from _resized(kind, members)


def _halved(operator: str, sides: Tree) -> Iterator[tuple[str, str, Tree]]:
    for side, other in (("left", "right"), ("right", "left")):
        yield "side dropped", side, sides[other]
        yield "side negated", side, {operator: sides | {side: {"!": {"arg": sides[side]}}}}


def _resized(kind: str, members: list[Tree]) -> Iterator[tuple[str, str, Tree]]:
    present = [member["Value"]["__entity"]["id"] for member in members]
    for at, word in enumerate(present):
        yield "set", f"without {word}", {"Set": [*members[:at], *members[at + 1 :]]}
    for word in _words(kind):
        if word not in present:
            yield "set", f"with {word}", {"Set": [*members, {"Value": {"__entity": {"type": kind, "id": word}}}]}


def _obliged(note: PolicyNote) -> Iterator[tuple[str, PolicyNote]]:
    if note.effect is Effect.FORBID:
        return
    deadlines = [AN_HOUR] if note.deadline is None else [None, note.deadline * 2]
    for deadline in deadlines:
        yield f"deadline {deadline}", replace(note, deadline=deadline)
    for notice in NOTICES:
        if notice is not note.notify_subject:
            yield f"notice {notice}", replace(note, notify_subject=notice)


def _words(kind: str) -> tuple[str, ...]:
    return (*GROUPS, *QUESTIONS) if kind == "Action" else tuple(word.value for word in WORDS[kind])


def _action(name: str) -> Tree:
    return {"type": "Action", "id": name}


def _named(scope: Tree) -> str:
    entities = scope.get("entities", [scope["entity"]] if "entity" in scope else [])
    return f"{scope['op']} {', '.join(entity['id'] for entity in entities)}".strip()


def _nodes(node: object, path: Path) -> Iterator[tuple[Path, object]]:
    """Every node below the conditions, and where it is."""
    if path:
        yield path, node
    if isinstance(node, dict):
        for key, child in node.items():
            yield from _nodes(child, (*path, key))
    elif isinstance(node, list):
        for at, child in enumerate(node):
            yield from _nodes(child, (*path, at))


def _with(tree: Tree, path: Path, node: object) -> Tree:
    changed = copy.deepcopy(tree)
    parent = changed["conditions"]
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = node
    return changed
