"""What a court asked to keep is erased for its age: the record, what hangs from it, what else tells of its persons."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.attacks.test_erased_content import HERS, ONE, OTHER, answered, erase_record, held
from tests.support.ageing import EVERY, LE, Lived, age, chore, live_keys, lived, readable
from tests.support.fictional import grant, person, tip
from tests.support.service import START, Service, open_service
from tests.support.thief import everything_readable
from tiprouter.domain.retention import Retained
from tiprouter.storage import ageing as stored
from tiprouter.storage import answers
from tiprouter.storage.subjects_table import appearances
from tiprouter.storage.tables import decisions
from tiprouter.workflow import ageing, holding
from tiprouter.workflow.consenting import Whose

LATER = START + timedelta(days=20_000)


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Service]:
    """A service on the embedded database alone."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        yield service


async def holding_both(service: Service) -> tuple[Lived, str, str, str]:
    """Her case is held, and another tip names her too; what was lived, that tip, and the two holds."""
    there = await lived(service)
    other = await service.accept(tip(person("p1"), external_id="T-again"))
    assert other.stored.persons == (there.her,)
    await service.deliver()
    await answered(service, other.stored.id, HERS.encode())
    return there, other.stored.id, await held(service, there.case), await held(service, there.danger)


async def a_hold_stops_every_class(service: Service) -> None:
    """What is of the held records, or of their persons, outlives every period; all else goes. Released, it goes too."""
    there, again, *placed = await holding_both(service)
    touched = {there.case, there.her, there.danger, again}
    before = await readable(service)
    touched |= {owner for owner in before.values() if owner.startswith(("sus_", "rcp_"))}
    await age(service, LATER, EVERY)
    after = await readable(service)
    assert after.keys() == {row for row, owner in before.items() if owner in touched}
    assert {row.partition("/")[0] for row in after} >= {"revisions", "attempts", "answers", "consents", "suspensions"}
    assert {row.partition("/")[0] for row in after} >= {"subject_notices"}
    assert {there.closed, there.orphan} & await live_keys(service) == set()
    for record_id, hold_id in zip((there.case, there.danger), placed, strict=True):
        await service.database.write(
            lambda tx, of=record_id, which=hold_id: holding.release(tx, service.desk, OTHER, of, which)  # type: ignore[misc] # a default is no argument
        )
    await age(service, LATER + timedelta(days=1), EVERY)
    left = await readable(service)
    # The case was never closed: it stays, and her consents with it.
    assert {row.partition("/")[0] for row in left} & {"attempts", "answers", "suspensions", "subject_notices"} == set()
    assert {there.danger, again} & await live_keys(service) == set()
    await service.check_house()


async def test_a_hold_stops_every_class_that_touches_it(service: Service) -> None:
    """Nobody has to remember it, whichever class is over."""
    await a_hold_stops_every_class(service)


async def an_account_outlives_its_period(service: Service) -> None:
    """An erased record told of somebody whom a held record names: the accounting of it waits for the hold."""
    there = await lived(service)
    other = await service.accept(tip(person("p1"), external_id="T-again"))
    for one in (ONE, OTHER):
        await erase_record(service, one, there.case)
    placed = await held(service, other.stored.id)
    await age(service, LATER, {Retained.ACCOUNTING: timedelta(days=2_192)})
    query = sa.select(decisions.c.facts).where(decisions.c.record_id == there.case)
    facts = await service.database.read(lambda tx: list(tx.execute(query).scalars()))
    assert facts
    assert None not in facts
    await service.database.write(lambda tx: holding.release(tx, service.desk, OTHER, other.stored.id, placed))
    await age(service, LATER + timedelta(days=1), {Retained.ACCOUNTING: timedelta(days=2_192)})
    assert set(await service.database.read(lambda tx: list(tx.execute(query).scalars()))) == {None}


async def test_a_hold_keeps_the_accounting_of_what_was_erased(service: Service) -> None:
    """Who was told what is what a court may ask for."""
    await an_account_outlives_its_period(service)


async def pages_wait(service: Service) -> None:
    """The pages of a held record's notices stay, with their alarms; others' go."""
    there, _, *_ = await holding_both(service)
    of_held = f"select id from notices where record_id in ('{there.case}', '{there.danger}')"  # noqa: S608 - our own ids
    assert await service.rows(f"select id from alarms join notices on id = notice_id where id in ({of_held})") != []  # noqa: S608 - as above
    before = await service.rows(f"select notice_id from alarms where notice_id in ({of_held}) order by 1")  # noqa: S608 - as above
    await age(service, LATER, EVERY)
    assert await service.rows("select notice_id from alarms order by 1") == before


async def test_pages_of_a_held_record_are_kept(embedded: Service) -> None:
    """Who was told when is evidence."""
    await pages_wait(embedded)


async def test_a_held_persons_new_word_is_kept(embedded: Service) -> None:
    """Taken out of a record that is held since, she consented anew: no record names her, and still it waits."""
    given = await embedded.consent(Whose(source="hotline-example", ref="p1"), grant(LE))
    accepted = await embedded.accept(tip(person("p2")))
    row = {"record_id": accepted.stored.id, "person_id": given.consent.person_id, "erased_at": START}
    await embedded.database.write(lambda tx: tx.execute(appearances.insert(), row))
    placed = await held(embedded, accepted.stored.id)
    await age(embedded, LATER, EVERY)
    assert given.consent.person_id in await live_keys(embedded)
    assert await chore(embedded, ageing.erase_orphans) == 0
    await embedded.database.write(lambda tx: holding.release(tx, embedded.desk, OTHER, accepted.stored.id, placed))
    await age(embedded, LATER + timedelta(days=1), EVERY)
    assert given.consent.person_id not in await live_keys(embedded)
    assert HERS.encode() not in await everything_readable(embedded)


async def test_an_age_that_looks_past_a_hold_is_found_out(embedded: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with any look for holds left out, what is held goes."""
    none = sa.select(sa.literal("nothing")).where(sa.false())
    there, again, *_ = await holding_both(embedded)
    kept = {there.case, there.her, there.danger, again}

    async def mine() -> set[str]:
        return {row for row, owner in (await readable(embedded)).items() if owner in kept}

    for number, (where, name, instead) in enumerate(
        (
            (answers, "on_hold", none),
            (answers, "persons_on_hold", none),
            (stored, "on_hold", none),
            (stored, "held", lambda *_: False),
        )
    ):
        before = await mine()
        with monkeypatch.context() as patch:
            patch.setattr(where, name, instead)
            await age(embedded, LATER + timedelta(days=number), EVERY)
        assert before - await mine(), (where.__name__, name)
