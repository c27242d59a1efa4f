"""What exactly is put to Cedar about one person and one recipient?

1. Nine questions: may each data category be told, must it be reported, does a human look. Each is a Cedar action.
2. The facts are attributes of two entities, the recipient and the person; the context is the consent that the question
   is about. `report` and `review` are asked with the consent for `incident`; `review` is told beside it whether the
   person granted any category at all, so that a review does not end with one consent while another stands.
3. A closed vocabulary is an enum entity type, so that Cedar refuses a value outside it.
4. A bundle's schema states these facts, vocabularies and actions, all of them and no others (`misfit`): a policy must
   not be able to ask for a fact that is never given, nor a guard miss an action that left its group.
5. Bundles of before `any_granted` state all but that fact. They are asked without it, as on the day they decided.
"""

import json
import re
from enum import StrEnum
from functools import cache
from typing import Final, TypeAlias

from tiprouter.domain.facts import Facts
from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Basis,
    Category,
    ConsentState,
    DutyState,
    Perceived,
    RecipientKind,
    Relationship,
    Role,
)

Request: TypeAlias = dict[str, str | dict[str, str]]

REPORT: Final = "report"
REVIEW: Final = "review"
QUESTIONS: Final = (*(category.value for category in Category), REPORT, REVIEW)

CONSENT: Final = "consent"
"""The fact that is not a field of `Facts`: the consent that the question is about."""

ANY_GRANTED: Final = "any_granted"
"""Whether the person granted any category; derived from the consents, and told to `review` alone."""

ENTITY_TYPES: Final[dict[type[StrEnum], str]] = {
    Answer: "Answer",
    RecipientKind: "RecipientKind",
    Role: "Role",
    AgeBand: "AgeBand",
    Relationship: "Relationship",
    DutyState: "Duty",
    Perceived: "Perceived",
    Basis: "Basis",
    ConsentState: "Consent",
}

# Attribute -> (field of `Facts`, entity type or Bool).
_RECIPIENT: Final = {
    "kind": ("recipient_kind", "RecipientKind"),
    "usable": ("usable", "Bool"),
    "agreement": ("agreement", "Bool"),
    "implicated": ("implicated", "Bool"),
    "in_jurisdiction": ("in_jurisdiction", "Answer"),
}
_PERSON: Final = {
    "role": ("role", "Role"),
    "age": ("age", "AgeBand"),
    "duty": ("duty", "Duty"),
    "reporter": ("reporter", "Relationship"),
    "immediate": ("immediate", "Answer"),
    "escalating": ("escalating", "Answer"),
    "perceived": ("perceived", "Perceived"),
    "fresh": ("fresh", "Bool"),
    "basis": ("basis", "Basis"),
}
_GROUPS: Final = {
    "disclose": set[str](),
    "minimum": {"disclose"},
    "personal": {"disclose"},
    **{category.value: {"personal"} for category in Category},
    **{category.value: {"minimum"} for category in (Category.INCIDENT, Category.LOCATION)},
    REPORT: set[str](),
    REVIEW: set[str](),
}

FACT_TYPES: Final = {
    **{("principal", name): kind for name, (_, kind) in _RECIPIENT.items()},
    **{("resource", name): kind for name, (_, kind) in _PERSON.items()},
    ("context", CONSENT): "Consent",
    ("context", ANY_GRANTED): "Bool",
}
"""(Cedar variable, attribute) -> the type of every value that a policy can read."""

FIELDS: Final = {
    **{("principal", name): field for name, (field, _) in _RECIPIENT.items()},
    **{("resource", name): field for name, (field, _) in _PERSON.items()},
    ("context", CONSENT): CONSENT,
    ("context", ANY_GRANTED): ANY_GRANTED,
}
"""(Cedar variable, attribute) -> the field of `Facts` that it is, or `CONSENT`."""

WORDS: Final = {name: words for words, name in ENTITY_TYPES.items()}
"""Entity type -> its vocabulary."""

_EARLIER_CONTEXTS: Final = {question: {CONSENT: "Consent"} for question in QUESTIONS}
_CONTEXTS: Final = {**_EARLIER_CONTEXTS, REVIEW: {CONSENT: "Consent", ANY_GRANTED: "Bool"}}

_RECIPIENT_UID: Final = {"type": "Recipient", "id": "recipient"}
_PERSON_UID: Final = {"type": "Person", "id": "person"}


RECIPIENT: Final = (_RECIPIENT_UID["type"], _RECIPIENT_UID["id"])
PERSON: Final = (_PERSON_UID["type"], _PERSON_UID["id"])


@cache
def groups_of(action: str) -> frozenset[str]:
    """The action itself and every group it is in: what Cedar's `in` asks of an action."""
    above = _GROUPS.get(action, set())
    return frozenset({action}).union(*(groups_of(group) for group in above))


def asked_with(question: str) -> Category:
    """The category whose consent a question sees (rule 2)."""
    return Category.INCIDENT if question in (REPORT, REVIEW) else Category(question)


def _request(question: str, consent: ConsentState, *, any_granted: bool | None) -> Request:
    context: dict[str, object] = {CONSENT: {"__entity": {"type": "Consent", "id": consent.value}}}
    return {
        "principal": _RECIPIENT_UID,
        "action": {"type": "Action", "id": question},
        "resource": _PERSON_UID,
        "context": json.dumps(context if any_granted is None else {**context, ANY_GRANTED: any_granted}),
    }


# Built once: making a context costs as much as answering with it.
_REQUESTS: Final = {
    (question, consent, told): _request(question, consent, any_granted=told)
    for question in QUESTIONS
    for consent in ConsentState
    for told in ((None, False, True) if question == REVIEW else (None,))
}


def request_for(question: str, consent: ConsentState, *, any_granted: bool | None) -> Request:
    """The request that puts one question with one consent. Raises `KeyError` when either is none.

    `any_granted` is told to `review` alone; None to a bundle that does not know it (rule 5).
    """
    return _REQUESTS[question, consent, any_granted if question == REVIEW else None]


def requests_for(facts: Facts, *, earlier: bool = False) -> list[Request]:
    """The nine requests, in the order of `QUESTIONS`; `earlier` for a bundle of rule 5.

    Raises `KeyError` or `ValueError` for consents out of place.
    """
    states = [state for _, state in zip(Category, facts.consents, strict=True)]
    incident, told = facts.consent(Category.INCIDENT), None if earlier else facts.any_granted
    return [
        request_for(question, state, any_granted=told)
        for question, state in zip(QUESTIONS, (*states, incident, incident), strict=True)
    ]


def entities_for(facts: Facts) -> str:
    """The recipient and the person as a Cedar entities document (JSON)."""
    return json.dumps(
        [
            {"uid": _RECIPIENT_UID, "attrs": _attributes(facts, _RECIPIENT), "parents": []},
            {"uid": _PERSON_UID, "attrs": _attributes(facts, _PERSON), "parents": []},
        ]
    )


def _attributes(facts: Facts, shape: dict[str, tuple[str, str]]) -> dict[str, object]:
    return {
        name: getattr(facts, field) if kind == "Bool" else {"__entity": {"type": kind, "id": getattr(facts, field)}}
        for name, (field, kind) in shape.items()
    }


def misfit(schema: str) -> str | None:
    """What in a schema, as Cedar renders it, is not the facts' own shape (rule 4); None when it fits."""
    enums = {
        name: set(re.findall(r'"(\w+)"', values))
        for name, values in re.findall(r"entity (\w+) enum \[(.*?)\];", schema)
    }
    shapes = {
        name: dict(re.findall(r"(\w+\??): ([\w:<>]+)", body))
        for name, body in re.findall(r"entity (\w+) = \{(.*?)\n\};", schema, re.DOTALL)
    }
    groups = {
        name: set(re.findall(r'Action::"(\w+)"', parents))
        for name, parents in re.findall(r'action "(\w+)"(?: in \[(.*?)\])?', schema)
    }
    contexts = _contexts(schema)
    expected = {"Recipient": _RECIPIENT, "Person": _PERSON}
    if enums != {name: {str(value) for value in words} for words, name in ENTITY_TYPES.items()}:
        return "its vocabularies are not the facts' vocabularies"
    if shapes != {name: {key: kind for key, (_, kind) in shape.items()} for name, shape in expected.items()}:
        return "its Recipient and Person do not have exactly the facts as attributes"
    if groups != _GROUPS:
        return "its actions, or their groups, are not the questions that are asked"
    if contexts not in (_CONTEXTS, _EARLIER_CONTEXTS):
        return "its questions are not asked with the consents that they are about"
    if len(re.findall(r"^entity ", schema, re.MULTILINE)) != len(enums) + len(shapes):
        return "it declares an entity type that is no fact"
    return None


def earlier(schema: str) -> bool:
    """Whether a schema that fits, as Cedar renders it, is one of before `any_granted` (rule 5)."""
    return _contexts(schema) == _EARLIER_CONTEXTS


def _contexts(schema: str) -> dict[str, dict[str, str]]:
    """What each question is asked with, as a schema states it."""
    return {
        name: dict(re.findall(r"(\w+\??): ([\w:<>]+)", body))
        for name, body in re.findall(r'action "(\w+)"[^;]*?context: \{(.*?)\}', schema, re.DOTALL)
    }
