"""What did Cedar say before that is still its answer?

1. A policy is satisfied, or errs, by what it reads and by nothing else. What it reads is found in Cedar's own tree of
   it: an attribute that is compared with literals tells those values apart, and all others not; an attribute that is
   read in any other way tells apart all its values; a variable read as a whole, another entity, or what nests too
   deeply to be looked through may be every fact.
2. Of the question's action it tells apart what its conditions name. Its scope decides whether it is in question at all.
3. Cedar's answer says of each forbid in question whether it is satisfied. Of the permits it says so when no forbid is;
   otherwise it says no more than that they do not err.
4. An answer is put together when Cedar has said of every policy in question what it is for such facts: the satisfied
   forbids, or without any the satisfied permits. Otherwise Cedar must be asked the whole question.
5. Nothing is put together for a question and a consent that Cedar never answered, nor where no policy is in question.
6. Of each policy, for questions that are one to it, at most `SAYINGS_MAX` sayings are kept; the oldest go first.
   Threads may share a memory.

Nothing of this is the gate's compiler: what the second opinion doubts must not be found by its own reading.

Not promised: that two texts of one policy are known as one; a memory belongs to one bundle.

Source: docs.cedarpolicy.com/auth/authorization.html (which policies determine an answer), .../json-format.html.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import count
from operator import or_
from threading import Lock
from typing import Any, Final, NamedTuple

from tiprouter.domain.facts import Facts
from tiprouter.domain.vocabulary import Category, ConsentState
from tiprouter.policy.annotations import Effect
from tiprouter.policy.layers import Policy
from tiprouter.policy.questions import CONSENT, FACT_TYPES, FIELDS, QUESTIONS, WORDS, asked_with, groups_of

SAYINGS_MAX: Final = 4096
"""So many sayings are kept of one policy (rule 6)."""

_NO, _YES, _UNTOLD = range(3)
"""What Cedar said of a policy; `_UNTOLD` is a permit that did not err where something forbade (rule 3)."""

_PLACES = count()
_BITS: Final[Mapping[tuple[str, str], Mapping[Any, int]]] = {
    read: {value: 1 << next(_PLACES) for value in WORDS.get(kind, (True, False))} for read, kind in FACT_TYPES.items()
}
"""(Cedar variable, attribute) -> value -> its bit."""

_ALL: Final = {read: reduce(or_, bits.values()) for read, bits in _BITS.items()}
_EVERYTHING: Final = reduce(or_, _ALL.values())
_COMMON: Final = tuple((FIELDS[read], bits) for read, bits in _BITS.items() if FIELDS[read] != CONSENT)
_CONSENTS: Final = next(bits for read, bits in _BITS.items() if FIELDS[read] == CONSENT)
_ASKED_WITH: Final = tuple(tuple(Category).index(asked_with(question)) for question in QUESTIONS)


@dataclass(frozen=True, slots=True)
class Answer:
    """One question's answer, and the policies that determined it."""

    allowed: bool
    policies: tuple[str, ...]


class Seen(NamedTuple):
    """What one question is about: the bits of all its facts, and its consent."""

    bits: int
    consent: ConsentState


class Projection(NamedTuple):
    """What a policy can tell apart: the bits of facts (rule 1), and the actions and groups (rule 2)."""

    bits: int
    actions: frozenset[str]


def seen_in(facts: Facts) -> list[Seen]:
    """What each of `QUESTIONS` is about. Raises `KeyError` or `ValueError` for what is no fact."""
    if len(facts.consents) != len(Category):
        raise ValueError("there is not one consent for each category")
    common = sum([bits[getattr(facts, name)] for name, bits in _COMMON])
    states = [Seen(common | _CONSENTS[state], state) for state in facts.consents]
    return [states[place] for place in _ASKED_WITH]


def projection_of(tree: Mapping[str, Any]) -> Projection:
    """What a policy can tell apart, from Cedar's tree of it (rules 1, 2)."""
    try:
        return Projection(_read(tree["conditions"]), frozenset(_actions(tree["conditions"])))
    except RecursionError:
        return Projection(_EVERYTHING, frozenset(QUESTIONS))


def in_question(tree: Mapping[str, Any], question: str) -> bool:
    """Whether a policy's scope is about this question (rule 2)."""
    match tree["action"]:
        case {"op": "==", "entity": one}:
            return bool(one["id"] == question)
        case {"op": "in", "entity": one}:
            return one["id"] in groups_of(question)
        case {"op": "in", "entities": several}:
            return any(one["id"] in groups_of(question) for one in several)
        case _:
            return True


@dataclass(slots=True)
class _Sayings:
    """What Cedar said of one policy: the bits that it tells apart, and for each such facts a saying."""

    policy: str
    bits: int
    said: dict[int, int] = field(default_factory=dict)

    def keep(self, seen: int, saying: int, limit: int) -> None:
        told = seen & self.bits
        if saying == _UNTOLD and told in self.said:
            return
        if told not in self.said and len(self.said) >= limit:
            del self.said[next(iter(self.said))]
        self.said[told] = saying


class Question:
    """One question to some policies: what is remembered about it."""

    def __init__(self, memory: "Memory", name: str, forbids: Sequence[_Sayings], permits: Sequence[_Sayings]) -> None:
        self.name = name
        self._memory = memory
        self.forbids = forbids
        self.permits = permits
        self._policies = frozenset(one.policy for one in (*forbids, *permits))

    def beside(self, other: "Question") -> "Question":
        """The same question to the policies of both."""
        return Question(self._memory, self.name, [*self.forbids, *other.forbids], [*self.permits, *other.permits])

    def recalled(self, seen: Seen) -> Answer | None:
        """Cedar's answer, put together; None when Cedar must be asked (rules 4, 5)."""
        if (self.name, seen.consent) not in self._memory.answered or not self._policies:
            return None
        bits, against, reasons, untold = seen.bits, [], [], False
        for one in self.forbids:
            said = one.said.get(bits & one.bits)
            if said is None:
                return None
            if said == _YES:
                against.append(one.policy)
        for one in self.permits:
            said = one.said.get(bits & one.bits)
            if said is None:
                return None
            if said == _YES:
                reasons.append(one.policy)
            untold = untold or said == _UNTOLD
        if against:
            return Answer(allowed=False, policies=tuple(against))
        return None if untold else Answer(bool(reasons), tuple(reasons))

    def remember(self, seen: Seen, answer: Answer) -> None:
        """Keep what an answer of Cedar's says (rule 3). It must be free of errors."""
        reasons = frozenset(answer.policies)
        if not self._memory.limit or not reasons <= self._policies:
            return
        forbidden = bool(reasons) and not answer.allowed
        memory = self._memory
        with memory.writing:
            memory.answered.add((self.name, seen.consent))
            for one in self.forbids:
                one.keep(seen.bits, _YES if one.policy in reasons else _NO, memory.limit)
            for one in self.permits:
                said = _UNTOLD if forbidden else _YES if one.policy in reasons else _NO
                one.keep(seen.bits, said, memory.limit)


class Memory:
    """What Cedar said of one bundle's policies; `limit` sayings of each are kept, none when it is 0."""

    def __init__(self, limit: int = SAYINGS_MAX) -> None:
        self.limit = limit
        self.answered: set[tuple[str, ConsentState]] = set()
        self.writing = Lock()
        self._sayings: dict[tuple[str, frozenset[str]], _Sayings] = {}

    def questions(self, policies: Iterable[Policy]) -> list[Question]:
        """Each of `QUESTIONS` to these policies. What is remembered of a policy serves every question alike to it."""
        read = [(policy, projection_of(policy.tree)) for policy in policies]
        return [self._question(name, read) for name in QUESTIONS]

    def size(self) -> int:
        """How many sayings are kept."""
        return sum(len(one.said) for one in list(self._sayings.values()))

    def forget(self) -> None:
        """Every saying is gone, and so is that Cedar ever answered."""
        with self.writing:
            self.answered.clear()
            for one in self._sayings.values():
                one.said.clear()

    def _question(self, name: str, read: Sequence[tuple[Policy, Projection]]) -> Question:
        found: dict[Effect, list[_Sayings]] = {effect: [] for effect in Effect}
        for policy, projection in read:
            if in_question(policy.tree, name):
                key = (policy.note.id, projection.actions & groups_of(name))
                with self.writing:
                    sayings = self._sayings.setdefault(key, _Sayings(policy.note.id, projection.bits))
                found[policy.note.effect].append(sayings)
        return Question(self, name, found[Effect.FORBID], found[Effect.PERMIT])


def _read(node: object) -> int:
    """The bits that an expression can tell apart (rule 1)."""
    match node:
        case {"==": {"left": one, "right": other}} | {"!=": {"left": one, "right": other}}:
            named = _named(one, [other])
            named = _named(other, [one]) if named is None else named
        case {"contains": {"left": {"Set": list(members)}, "right": one}}:
            named = _named(one, members)
        case {".": {"left": {"Var": str(variable)}, "attr": str(attribute)}}:
            named = _ALL.get((variable, attribute), _EVERYTHING)
        case {".": _}:
            named = _EVERYTHING
        case {"Var": variable}:
            named = 0 if variable == "action" else _EVERYTHING
        case _:
            named = None
    if named is not None:
        return named
    return reduce(or_, map(_read, _children(node)), 0)


def _named(one: object, literals: Iterable[object]) -> int | None:
    """The bits of the values that an attribute is compared with; None when it is no attribute, or they are no words."""
    match one:
        case {".": {"left": {"Var": str(variable)}, "attr": str(attribute)}} if (variable, attribute) in _BITS:
            kind, bits = FACT_TYPES[variable, attribute], _BITS[variable, attribute]
        case _:
            return None
    found = 0
    for literal in literals:
        match literal:
            case {"Value": {"__entity": {"type": str(other), "id": str(word)}}}:
                found |= bits.get(word, 0) if other == kind else 0
            case _:
                return None
    return found


def _actions(node: object) -> Iterable[str]:
    """The actions and groups that an expression names."""
    match node:
        case {"__entity": {"type": "Action", "id": str(name)}}:
            yield name
        case _:
            for child in _children(node):
                yield from _actions(child)


def _children(node: object) -> Iterable[object]:
    if isinstance(node, Mapping):
        return node.values()
    return node if isinstance(node, list) else ()
