"""She took it back and was told that nobody had it, or the log says that she withdrew where she did something else."""

from dataclasses import replace
from functools import partial

import pytest

from tests.support.fictional import agency, grant, person, statement, tip
from tests.support.recovering import logged, retry
from tests.support.service import INTAKE, Service
from tiprouter.audit.kinds import Kind
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.consent import Choice
from tiprouter.domain.record import Record
from tiprouter.domain.vocabulary import Category, RecipientKind, RecordKind
from tiprouter.workflow import consenting
from tiprouter.workflow.consenting import Narrower, Whose, Withdrawal

LE = RecipientKind.LAW_ENFORCEMENT
HERS = Whose(source="hotline-example", ref="p1")


def case(words: str) -> Record:
    """A case about one adult."""
    return tip(person(), kind=RecordKind.CASE, external_id="C-1", statements=(statement(words),))


async def consented(service: Service) -> str:
    """An agency and a grant of everything to it; the grant's id."""
    await service.enrol(agency(LE))
    return (await service.consent(HERS, grant(LE))).consent.id


async def narrow(service: Service, consent_id: str) -> Withdrawal:
    """Take a category out of a grant."""
    less = Narrower(categories=tuple(set(Category) - {Category.INCIDENT}))
    story = partial(consenting.narrow, desk=service.desk, actor=INTAKE, consent_id=consent_id, expected=None, less=less)
    return await service.database.write(story)


async def recalls(service: Service) -> list[str]:
    """Why each recall was made, by the log."""
    return [str(entry.body["cause"]) for entry in await logged(service, Kind.RECALL_MADE)]


def counted(found: Withdrawal) -> tuple[int, int, int]:
    """What a withdrawal was answered with."""
    return found.cancelled, found.in_flight, found.delivered


async def test_what_was_revised_since_was_delivered_all_the_same(service: Service) -> None:
    """One version arrived, a newer one waits: the answer says one cancelled and one delivered, and one recall goes."""
    given = await consented(service)
    await service.put_case(case("first words"), None)
    await service.deliver()
    await service.put_case(case("other words"), 1)
    assert counted(await service.withdraw(given)) == (1, 0, 1)
    assert len(await service.deliver()) == len(await recalls(service)) == 1


async def test_every_version_that_is_held_is_counted(service: Service) -> None:
    """Three versions arrived, two of them superseded: three are told as delivered, and three recalls go."""
    given = await consented(service)
    for revision, words in enumerate(("first words", "other words", "last words")):
        await service.put_case(case(words), revision or None)
        await service.deliver()
    assert counted(await service.withdraw(given)) == (0, 0, 3)
    assert await recalls(service) == ["consent.withdrawn"] * 3


async def test_what_is_in_flight_is_counted_once(service: Service) -> None:
    """One version arrived and the next is on its way: one delivered, one in flight, two recalls."""
    given = await consented(service)
    await service.put_case(case("first words"), None)
    await service.deliver()
    await service.put_case(case("other words"), 1)
    await service.claim()
    assert counted(await service.withdraw(given)) == (0, 1, 1)
    assert len(await recalls(service)) == 2


async def test_what_was_recalled_before_is_not_told_again(service: Service) -> None:
    """A narrowing recalled the version that arrived; the withdrawal after it finds the one that was made instead."""
    given = await consented(service)
    await service.put_case(case("first words"), None)
    await service.deliver()
    assert counted(await narrow(service, given)) == (0, 0, 1)
    assert counted(await service.withdraw(given)) == (1, 0, 0)


@pytest.mark.parametrize("how", ["consent.withdrawn", "consent.narrowed", "consent.refused"])
async def test_a_recall_says_what_the_person_did(service: Service, how: str) -> None:
    """A withdrawal, a narrowing and a refusal each stand in the log as the recall's cause."""
    given = await consented(service)
    await service.put_case(case("first words"), None)
    await service.deliver()
    match how:
        case "consent.withdrawn":
            await service.withdraw(given)
        case "consent.narrowed":
            await narrow(service, given)
        case _:
            no = replace(grant(LE), choice=Choice.REFUSE, purposes=(), expires_at=None, given_at=service.clock.at)
            await service.consent(HERS, replace(no, valid_from=service.clock.at))
    assert await recalls(service) == [how]
    await service.check_house()


async def test_a_recall_that_is_sent_anew_says_so(service: Service) -> None:
    """A recall that never arrived is asked for again: the second one was made because somebody asked."""
    given = await consented(service)
    await service.put_case(case("first words"), None)
    await service.deliver()
    await service.withdraw(given)
    (lost,) = await service.deliver(AttemptResult.GONE)
    await retry(service, lost.delivery_id)
    assert await recalls(service) == ["consent.withdrawn", "delivery.retried"]
