"""Someone stands beside the caller: what they make them say once, on one occasion, opens nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.fictional import agency, grant, tip
from tests.support.service import INTAKE, START, Service
from tiprouter.domain import widening
from tiprouter.domain.subject_states import ConsentPhase
from tiprouter.domain.vocabulary import Category, RecipientKind
from tiprouter.domain.widening import TooEarlyError
from tiprouter.workflow import consenting
from tiprouter.workflow.consenting import Whose

LE, PROVIDER = RecipientKind.LAW_ENFORCEMENT, RecipientKind.SERVICE_PROVIDER


async def nothing_leaves(service: Service) -> None:
    """Nobody is told anything, now or when time passes."""
    for _ in range(3):
        assert await service.claim() == []
        await service.revisit()
        service.clock.forward(hours=1)
    assert await service.rows("select id from decisions where current and outcome in ('REPORT', 'DISCLOSE')") == []
    await service.check_house()


async def withdrawn_and_made_to_grant_again(service: Service) -> str:
    """She withdrew; a minute later somebody makes her say yes again, on the same call."""
    await service.enrol(agency(LE))
    accepted = await service.accept(tip())
    whose = Whose(person_id=accepted.stored.persons[0])
    given = await service.consent(whose, grant(LE))
    await service.withdraw(given.consent.id)
    service.clock.forward(minutes=1)
    again = await service.consent(whose, grant(LE, given_at=service.clock.at, valid_from=service.clock.at))
    return again.consent.id


async def test_a_grant_after_a_withdrawal_opens_nothing(service: Service) -> None:
    """Said once is not said: nothing leaves until she says it again at another moment."""
    await withdrawn_and_made_to_grant_again(service)
    await nothing_leaves(service)


async def test_the_second_word_on_the_same_call_is_too_early(service: Service) -> None:
    """Whoever stands there can make her say it twice in a row: that is one occasion."""
    consent_id = await withdrawn_and_made_to_grant_again(service)
    service.clock.forward(minutes=9)
    with pytest.raises(TooEarlyError):
        await service.database.write(lambda tx: consenting.confirm(tx, service.desk, INTAKE, consent_id, None))
    await nothing_leaves(service)


async def test_a_backdated_grant_is_no_older_than_its_arrival(service: Service) -> None:
    """Claimed to be from before the withdrawal, or after it: it was heard after it, so it waits."""
    await service.enrol(agency(LE))
    accepted = await service.accept(tip())
    whose = Whose(person_id=accepted.stored.persons[0])
    given = await service.consent(whose, grant(LE))
    await service.withdraw(given.consent.id)
    for ago in (timedelta(hours=2), timedelta()):
        again = await service.consent(whose, grant(LE, given_at=START - ago, valid_from=START))
        assert again.consent.life is ConsentPhase.PENDING
    await nothing_leaves(service)


async def test_what_was_taken_out_does_not_come_back_in_pieces(service: Service) -> None:
    """After a narrowing, a grant of just the category that was taken out waits, and so does the whole."""
    await service.enrol(agency(LE))
    accepted = await service.accept(tip())
    whose = Whose(person_id=accepted.stored.persons[0])
    given = await service.consent(whose, grant(LE))
    less = consenting.Narrower(categories=(Category.INCIDENT,))
    await service.database.write(lambda tx: consenting.narrow(tx, service.desk, INTAKE, given.consent.id, None, less))
    for categories in ((Category.IDENTITY,), tuple(Category)):
        again = await service.consent(whose, grant(LE, categories=categories, given_at=START, valid_from=START))
        assert again.consent.life is ConsentPhase.PENDING
    bodies = [one.envelope.body.body for one in await service.deliver()]
    assert bodies
    assert all(b"Example-p1" not in body for body in bodies)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (
            "received",
            lambda _, new, now, __: new if new is None else replace(new, recorded_at=now, phase=ConsentPhase.STANDING),
        ),
        ("received", lambda _, new, now, __: widening.received((), new, now)),
    ],
    ids=["nothing waits", "every grant is the first"],
)
async def test_a_grant_that_does_not_wait_is_found_out(
    service: Service, name: str, fault: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the tests: with the waiting left out, the first story above fails."""
    monkeypatch.setattr(consenting, name, fault)
    await withdrawn_and_made_to_grant_again(service)
    with pytest.raises(AssertionError):
        await nothing_leaves(service)


async def test_a_confirmation_at_once_is_found_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with no time between the two words, one call is enough, and something leaves."""
    consent_id = await withdrawn_and_made_to_grant_again(service)
    monkeypatch.setattr(
        consenting,
        "confirmed",
        lambda one, now: replace(one, confirmed_at=now, phase=ConsentPhase.STANDING),
    )
    await service.database.write(lambda tx: consenting.confirm(tx, service.desk, INTAKE, consent_id, None))
    with pytest.raises(AssertionError):
        await nothing_leaves(service)
