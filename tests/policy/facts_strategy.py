"""Facts for tests: any at all (`any_facts`), a chosen few (`facts`), and a long reproducible list (`numbered`)."""

import hashlib
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

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

NOTHING_ASKED = (ConsentState.NOT_ASKED,) * len(Category)
ALL_GRANTED = (ConsentState.GRANTED,) * len(Category)

BASE = Facts(
    recipient_kind=RecipientKind.LAW_ENFORCEMENT,
    usable=True,
    agreement=True,
    implicated=False,
    in_jurisdiction=Answer.YES,
    role=Role.POTENTIAL_VICTIM,
    age=AgeBand.ADULT,
    duty=DutyState.NOT_REQUIRED,
    reporter=Relationship.SELF,
    immediate=Answer.NO,
    escalating=Answer.NO,
    perceived=Perceived.UNKNOWN,
    fresh=False,
    basis=Basis.NONE,
    consents=NOTHING_ASKED,
)
DANGER: dict[str, Any] = {
    "immediate": Answer.YES,
    "escalating": Answer.YES,
    "perceived": Perceived.FIRST_HAND,
    "fresh": True,
}
OPEN: dict[str, Any] = {"usable": True, "agreement": True, "implicated": False, "in_jurisdiction": Answer.YES}

POOLS: dict[str, tuple[Any, ...]] = {
    "recipient_kind": tuple(RecipientKind),
    "usable": (True, False),
    "agreement": (True, False),
    "implicated": (False, True),
    "in_jurisdiction": tuple(Answer),
    "role": tuple(Role),
    "age": tuple(AgeBand),
    "duty": tuple(DutyState),
    "reporter": tuple(Relationship),
    "immediate": tuple(Answer),
    "escalating": tuple(Answer),
    "perceived": tuple(Perceived),
    "fresh": (True, False),
    "basis": tuple(Basis),
}


def facts(**chosen: Any) -> Facts:  # noqa: ANN401 - each fact has a type of its own
    """The base facts with some of them chosen."""
    return replace(BASE, **chosen)


@st.composite
def any_facts(draw: st.DrawFn, /, **chosen: Any) -> Facts:  # noqa: ANN401 - each fact has a type of its own
    """Any facts; half of them toward a recipient that is open to us, a third in danger, so that both are common."""
    values = {name: draw(st.sampled_from(pool)) for name, pool in POOLS.items()}
    values["consents"] = tuple(draw(st.sampled_from(ConsentState)) for _ in Category)
    if draw(st.booleans()):
        values |= OPEN
    if draw(st.integers(0, 2)) == 0:
        values |= DANGER
    return Facts(**(values | chosen))


def numbered(number: int) -> Facts:
    """The facts with this number: as good as random, and the same for ever."""
    rest = int.from_bytes(hashlib.sha256(number.to_bytes(8)).digest())
    values: dict[str, Any] = {}
    for name, pool in POOLS.items():
        rest, index = divmod(rest, len(pool))
        values[name] = pool[index]
    states = []
    for _ in Category:
        rest, index = divmod(rest, len(ConsentState) + 3)
        states.append(tuple(ConsentState)[index] if index < len(ConsentState) else ConsentState.GRANTED)
    values["consents"] = tuple(states)
    if number % 2:
        values |= OPEN
    if number % 3 == 0:
        values |= DANGER
    return Facts(**values)
