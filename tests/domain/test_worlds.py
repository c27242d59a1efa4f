"""Who harms this child, and how, as far as the record says; and what does the law then say?"""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.domain.duty import NO_DUTY, Duty, Part, Protocol, World, duty_toward, parts
from tiprouter.domain.record import Guardian, Person
from tiprouter.domain.vocabulary import Answer, DutyState, DutySubject, Exploitation, Perpetrator, RecipientKind, Role
from tiprouter.domain.worlds import worlds_of

from .examples import (
    CARETAKER,
    CHILDREN,
    CLEARINGHOUSE,
    HOUR,
    NOW,
    OTHER,
    POLICE,
    agency,
    either,
    person,
    place,
    protocol,
    record,
    row,
)

BY = {"c": frozenset({CARETAKER}), "o": frozenset({OTHER}), "co": frozenset({CARETAKER, OTHER})}
BY_CARETAKER, BY_OTHER, BY_BOTH = (World(by, sexual=False) for by in BY.values())
TODAY = NOW.date()
UNKNOWN_AT_ONCE = Duty(DutyState.UNKNOWN, (), HOUR)
SEXUAL = (Exploitation.SEXUAL_EXPLOITATION,)
LABOUR = (Exploitation.FORCED_LABOUR,)

_guardians = st.lists(
    st.builds(Guardian, st.just("parent"), st.sampled_from(Answer), st.sampled_from([None, "g", "t"])), max_size=3
).map(tuple)
_people = st.lists(st.sampled_from([("t", Role.ALLEGED_TRAFFICKER), ("u", Role.ALLEGED_TRAFFICKER)]), max_size=2)
_forms = st.lists(st.sampled_from(Exploitation), max_size=3, unique=True).map(tuple)


def _child(*guardians: tuple[Answer, str | None]) -> Person:
    return person("a", guardians=tuple(Guardian("parent", implicated, ref) for implicated, ref in guardians))


def _by(child: Person, *accused: str, forms: tuple[Exploitation, ...] = SEXUAL) -> set[str]:
    others = [person(ref, role=Role.ALLEGED_TRAFFICKER) for ref in accused]
    names = {perpetrators: name for name, perpetrators in BY.items()}
    return {names[world.perpetrators] for world in worlds_of(record(child, *others, exploitation=forms), child)}


@pytest.mark.parametrize(
    ("guardians", "accused", "by"),
    [
        ([], [], {"c", "o", "co"}),
        ([], ["t"], {"c", "o", "co"}),
        ([(Answer.NO, None)], [], {"o"}),
        ([(Answer.NO, "g")], ["t"], {"o"}),
        ([(Answer.YES, None)], [], {"c", "co"}),
        ([(Answer.YES, "g")], [], {"c", "co"}),
        ([(Answer.YES, "t")], ["t"], {"c", "co"}),
        ([(Answer.YES, "g")], ["t"], {"co"}),
        ([(Answer.YES, None)], ["t"], {"c", "co"}),
        ([(Answer.YES, "t"), (Answer.NO, "g")], ["t", "u"], {"co"}),
        ([(Answer.YES, None), (Answer.NO, "g")], [], {"c", "co"}),
        ([(Answer.UNKNOWN, "g")], [], {"c", "o", "co"}),
        ([(Answer.UNKNOWN, "g")], ["t"], {"o", "co"}),
        ([(Answer.UNKNOWN, None), (Answer.NO, "g")], ["t"], {"c", "o", "co"}),
    ],
)
def test_who_harms_the_child_is_what_the_record_leaves_open(
    guardians: list[tuple[Answer, str | None]], accused: list[str], by: set[str]
) -> None:
    """Rules 1 and 2: an accused person who may be the guardian proves nobody else; one who is none of them does."""
    assert _by(_child(*guardians), *accused) == by


@pytest.mark.parametrize(
    ("forms", "sexual"),
    [
        (SEXUAL, {True}),
        ((*LABOUR, *SEXUAL), {True}),
        (LABOUR, {False}),
        ((), {True, False}),
        ((Exploitation.OTHER,), {True, False}),
        ((*LABOUR, Exploitation.OTHER), {True, False}),
        ((*SEXUAL, Exploitation.OTHER), {True}),
    ],
)
def test_what_is_not_stated_may_be_sexual(forms: tuple[Exploitation, ...], sexual: set[bool]) -> None:
    """Rule 3."""
    child = _child((Answer.NO, None))
    assert {world.sexual for world in worlds_of(record(child, exploitation=forms), child)} == sexual


def test_a_witness_is_nobody_who_harms() -> None:
    """Rule 1: only an accused person can be the other one."""
    child = _child((Answer.YES, "g"))
    bystanders = [person(role.value, role=role) for role in Role if role is not Role.ALLEGED_TRAFFICKER]
    found = worlds_of(record(child, *bystanders, exploitation=SEXUAL), child)
    assert set(found) == {World(BY["c"], sexual=True), World(BY["co"], sexual=True)}


@given(_guardians, _people, _forms)
def test_there_is_always_a_world_and_never_one_twice(
    guardians: tuple[Guardian, ...], people: list[tuple[str, Role]], forms: tuple[Exploitation, ...]
) -> None:
    """Rule 2: in each of them somebody harms the child; else no row would speak of it and the duty would be silent."""
    child = person("a", guardians=guardians)
    found = worlds_of(record(child, *(person(ref, role=role) for ref, role in people), exploitation=forms), child)
    assert found
    assert len(set(found)) == len(found)
    assert set(found) <= {World(by, sexual) for by, sexual in product(BY.values(), (True, False))}
    assert all(world.perpetrators <= set(Perpetrator) for world in found)


@given(_guardians, _people, _forms, st.integers(0, 2), st.sampled_from([Answer.YES, Answer.NO]))
def test_learning_more_of_a_guardian_opens_no_new_world(
    guardians: tuple[Guardian, ...],
    people: list[tuple[str, Role]],
    forms: tuple[Exploitation, ...],
    which: int,
    learned: Answer,
) -> None:
    """Rule 2: what is said of a guardian who was unknown only closes what was open."""
    after = tuple(
        Guardian(each.relationship, learned, each.ref)
        if number == which and each.implicated is Answer.UNKNOWN
        else each
        for number, each in enumerate(guardians)
    )
    others = [person(ref, role=role) for ref, role in people]
    before_child, after_child = person("a", guardians=guardians), person("a", guardians=after)
    known, knows = (
        set(worlds_of(record(child, *others, exploitation=forms), child)) for child in (before_child, after_child)
    )
    assert knows <= known


def _duty(kind: RecipientKind, table: Protocol, *worlds: World) -> Duty:
    return duty_toward(agency(kind), (place(),), worlds, table, TODAY)


@pytest.mark.parametrize(
    ("worlds", "police", "children"),
    [
        ((BY_CARETAKER,), DutyState.NOT_REQUIRED, DutyState.REQUIRED),
        ((BY_OTHER,), DutyState.REQUIRED, DutyState.NOT_REQUIRED),
        ((BY_BOTH,), DutyState.REQUIRED, DutyState.REQUIRED),
        ((BY_BOTH, BY_CARETAKER), DutyState.UNKNOWN, DutyState.REQUIRED),
        ((BY_BOTH, BY_CARETAKER, BY_OTHER), DutyState.UNKNOWN, DutyState.UNKNOWN),
    ],
    ids=["caretaker", "other", "both", "caretaker-perhaps-other", "nobody-knows"],
)
def test_who_harms_the_child_decides_who_is_told(
    worlds: tuple[World, ...], police: DutyState, children: DutyState
) -> None:
    """Duty, rule 4: named in every world is required; named in some is a human's to decide, on the row's clock."""
    table = protocol(
        row("US-TX", CHILDREN, perpetrator=CARETAKER),
        row(id="us-tx.other", receivers=either(POLICE), perpetrator=OTHER),
    )
    toward_police, toward_children = (_duty(kind, table, *worlds) for kind in (POLICE, CHILDREN))
    assert (toward_police.state, toward_children.state) == (police, children)
    for duty in (toward_police, toward_children):
        assert duty.within == (None if duty.state is DutyState.NOT_REQUIRED else 24 * HOUR)
        assert len(duty.rows) == (duty.state is not DutyState.NOT_REQUIRED)


def test_two_rows_may_name_an_authority_in_every_world_together() -> None:
    """Duty, rule 4: whoever it is, one of the two rows says child protection: nothing is unknown about that."""
    by_caretaker = row("US-TX", CHILDREN, perpetrator=CARETAKER, hours=48)
    by_other = row(id="us-tx.other", receivers=either(CHILDREN), perpetrator=OTHER)
    duty = _duty(CHILDREN, protocol(by_caretaker, by_other), BY_CARETAKER, BY_OTHER)
    assert duty == Duty(DutyState.REQUIRED, (by_caretaker, by_other), 24 * HOUR)


@pytest.mark.parametrize(
    ("sexual", "state"),
    [
        ((True,), DutyState.REQUIRED),
        ((False,), DutyState.NOT_REQUIRED),
        ((True, False), DutyState.UNKNOWN),
    ],
)
def test_a_duty_about_sexual_exploitation_asks_whether_it_is(sexual: tuple[bool, ...], state: DutyState) -> None:
    """Duty, rule 4: with a general row beside it, so that the place itself is known."""
    special = row(id="us-tx.csec", receivers=either(CLEARINGHOUSE), subject=DutySubject.CHILD_SEXUAL_EXPLOITATION)
    worlds = tuple(World(frozenset(Perpetrator), one) for one in sexual)
    assert _duty(CLEARINGHOUSE, protocol(row(), special), *worlds).state is state


def test_every_record_is_about_trafficking() -> None:
    """Duty, rule 4: a row about trafficked children speaks of every child here, whatever the form of exploitation."""
    table = protocol(row(subject=DutySubject.CHILD_TRAFFICKING))
    assert _duty(POLICE, table, BY_OTHER).state is DutyState.REQUIRED


def test_a_law_that_is_silent_about_some_world_is_unknown_there() -> None:
    """Duty, rules 3 and 4: a table that speaks of caretakers alone says nothing of a child whom a stranger may harm."""
    by_caretaker = row("US-TX", CHILDREN, perpetrator=CARETAKER)
    table, worlds = protocol(by_caretaker), (BY_CARETAKER, BY_OTHER)
    nobody_says = Part(place(), frozenset({POLICE, CHILDREN}), None)
    assert _duty(POLICE, table, *worlds) == UNKNOWN_AT_ONCE
    assert _duty(CHILDREN, table, *worlds) == Duty(DutyState.UNKNOWN, (by_caretaker,), HOUR)
    assert _duty(CHILDREN, table, BY_OTHER) == UNKNOWN_AT_ONCE
    assert _duty(POLICE, table, BY_BOTH) == NO_DUTY
    assert list(parts((place(),), worlds, table, TODAY)) == [
        nobody_says,
        Part(place(), frozenset({CHILDREN}), by_caretaker),
    ]
    assert list(parts((place(),), (BY_OTHER,), table, TODAY)) == [nobody_says]


def test_a_part_that_may_be_owed_is_a_part() -> None:
    """Duty, rule 4: in some world it is; the parts of a row that speaks of another child are not."""
    by_caretaker, by_other = row("US-TX", CHILDREN, perpetrator=CARETAKER), row(id="us-tx.other", perpetrator=OTHER)
    table = protocol(by_caretaker, by_other)
    both_parts = [
        Part(place(), frozenset({CHILDREN}), by_caretaker),
        Part(place(), frozenset({POLICE, CHILDREN}), by_other),
    ]
    assert list(parts((place(),), (BY_CARETAKER, BY_OTHER), table, TODAY)) == both_parts
    assert list(parts((place(),), (BY_BOTH,), table, TODAY)) == both_parts
    assert list(parts((place(),), (BY_CARETAKER,), table, TODAY)) == both_parts[:1]
