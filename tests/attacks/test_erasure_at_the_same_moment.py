"""While a record is erased, somebody holds it, consents, revises or sends: one of the two comes first, and is whole."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.attacks.agreement import log_agrees_with_rows
from tests.attacks.interleaving import interleaved
from tests.support.fictional import agency, grant, person, tip
from tests.support.service import INTAKE, Service, room
from tiprouter.domain.record import Record
from tiprouter.domain.vocabulary import RecipientKind, RecordKind
from tiprouter.storage.database import Transaction
from tiprouter.workflow import erasing, holding
from tiprouter.workflow.consenting import Whose, give_consent
from tiprouter.workflow.dispatch import claim
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.intake import put_case

LE = RecipientKind.LAW_ENFORCEMENT
ONE, OTHER = Actor("cal_one", "reviewer"), Actor("cal_other", "reviewer")
Other = Callable[[Transaction, Service, str, str, int], Any]


def case(number: int) -> Record:
    """A case about one person."""
    return tip(person(f"p{number}"), kind=RecordKind.CASE, external_id=f"C-{number}")


OTHERS: dict[str, tuple[Other, set[tuple[str, str]]]] = {
    "hold": (
        lambda tx, service, record_id, _, __: holding.hold(tx, service.desk, ONE, record_id, "Example"),
        {("HeldError", "Hold"), ("Erased", "ErasedError")},
    ),
    "consent": (
        lambda tx, service, _, her, __: give_consent(tx, service.desk, INTAKE, Whose(person_id=her), grant(LE)),
        {("Erased", "Given")},
    ),
    "revise": (
        lambda tx, service, _, __, number: put_case(tx, service.desk, INTAKE, case(number), 1),
        {("Erased", "Accepted"), ("Erased", "ErasedError")},
    ),
    "claim": (
        lambda tx, service, _, __, ___: claim(tx, service.desk, room()),
        {("Erased", "list"), ("HeldError", "list")},
    ),
}


@pytest.mark.parametrize("name", sorted(OTHERS))
@pytest.mark.parametrize("erase_first", [True, False])
async def test_erasing_and_another_story_cut_into_each_other(
    two: tuple[Service, Service], name: str, *, erase_first: bool
) -> None:
    """Stopped at any statement, neither is half done: no hold on what is gone, nothing queued from it, nothing lost."""
    here, there = two
    other, allowed = OTHERS[name]
    await here.enrol(agency(LE))
    more, number, seen = True, 1, set()
    while more:
        accepted = await here.put_case(case(number), None)
        record_id, her = accepted.stored.id, accepted.stored.persons[0]
        if name == "claim":
            await here.consent(Whose(person_id=her), grant(LE))
        await here.database.write(
            lambda tx, her=her: erasing.erase_subject(tx, here.desk, ONE, her)  # type: ignore[misc] # a default is no argument
        )
        stories: list[Any] = [
            (here.database, lambda tx, her=her: erasing.erase_subject(tx, here.desk, OTHER, her)),
            (there.database, lambda tx, at=(record_id, her, number): other(tx, there, *at)),
        ]
        first, second = stories if erase_first else stories[::-1]
        *done, more = await interleaved(number, first, second)
        erased, answer = done if erase_first else done[::-1]
        seen.add((type(erased).__name__, type(answer).__name__))
        assert seen <= allowed, (erased, answer)
        number += 5
    gone = "select id from records where erased_at is not null"
    assert await here.rows(f"select id from decisions where current and record_id in ({gone})") == []  # noqa: S608
    waits = "state in ('queued', 'retrying', 'announced')"
    assert await here.rows(f"select id from deliveries where {waits} and record_id in ({gone})") == []  # noqa: S608
    assert await here.rows(f"select id from holds where record_id in ({gone})") == []  # noqa: S608
    await log_agrees_with_rows(here)
