"""What was erased is read again: from the database with its key file, answers, old revisions, an agency's words."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.attacks.agreement import entries_of
from tests.support.fictional import SECRET, agency, grant, person, statement, tip
from tests.support.service import Service
from tests.support.thief import everything_readable, sealed_columns
from tiprouter.delivery.attempts import Attempted, AttemptResult
from tiprouter.domain.consent import SafeContact
from tiprouter.domain.record import Location, Record
from tiprouter.domain.vocabulary import (
    AcknowledgementStatus,
    RecipientKind,
    RecordKind,
)
from tiprouter.storage import answers, consents, erasure
from tiprouter.storage.acknowledgements import Words
from tiprouter.storage.answers import Asked
from tiprouter.storage.database import Transaction
from tiprouter.storage.vault import DataKey, ErasedError, Vault
from tiprouter.workflow import ageing, erasing, holding, inquiry, revisit
from tiprouter.workflow.acknowledging import acknowledge
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.dispatch import Ready, finish
from tiprouter.workflow.erasing import Erased, HeldError, SamePersonError
from tiprouter.workflow.happening import ROUTER, Actor, happening

LE, PROVIDER, CPS = (
    RecipientKind.LAW_ENFORCEMENT,
    RecipientKind.SERVICE_PROVIDER,
    RecipientKind.CHILD_PROTECTION,
)
ONE, OTHER = Actor("cal_one", "reviewer"), Actor("cal_other", "reviewer")
HERS = "Zyxwv-Hers-Alone"
"""A word that stands in everything about the person who is erased, and in nothing about anybody else."""

THEIRS = "Zyxwv-Of-The-Other"


def hers(ref: str = "p1", **changes: Any) -> Any:  # noqa: ANN401 - fields of a person
    """The person who will be erased."""
    return person(ref, health=f"health {HERS}", immigration=f"status {HERS}", **changes)


def case(*persons: Any, **changes: Any) -> Record:  # noqa: ANN401 - fields of a record
    """A case about her, and perhaps somebody else."""
    words = (statement(f"about her {HERS}", ("p1",)), statement(f"about everybody {HERS}", ()))
    others = tuple(statement(f"about the other {THEIRS}", (one.ref,)) for one in persons if one.ref != "p1")
    changes = {"statements": words + others, "location": Location(street=f"1 {HERS} Street")} | changes
    return tip(*persons, kind=RecordKind.CASE, external_id="C-1", **changes)


async def erase_subject(service: Service, actor: Actor, person_id: str) -> Erased:
    """One of the two says so."""
    return await service.database.write(lambda tx: erasing.erase_subject(tx, service.desk, actor, person_id))


async def erase_record(service: Service, actor: Actor, record_id: str) -> Erased:
    """The same of a record."""
    return await service.database.write(lambda tx: erasing.erase_record(tx, service.desk, actor, record_id))


async def answered(service: Service, owner: str, words: bytes) -> Asked:
    """An answer that quotes her, stored for a replay."""
    asked = Asked("cal_intake", "POST /v1/example", owner[:64].ljust(64, "0"), "1" * 64)
    await service.database.write(
        lambda tx: answers.remember(tx, service.desk.vault, asked, owner, (201, words), service.clock.at)
    )
    return asked


async def finished(service: Service, ready: Ready, attempted: Attempted) -> None:
    """What came of one attempt."""
    await service.database.write(lambda tx: finish(tx, service.desk, ready, attempted))


async def a_whole_life(service: Service, *persons: Any) -> tuple[str, str]:  # noqa: ANN401 - persons of a record
    """Told, revised, consented with words of hers, delivered, quoted by an agency, answered: the record and her id."""
    police = await service.enrol(agency(LE))
    await service.enrol(agency(PROVIDER))
    accepted = await service.put_case(case(*persons), None)
    record_id, her = accepted.stored.id, accepted.stored.persons[0]
    whose = Whose(person_id=her)
    await service.consent(whose, grant(LE, PROVIDER, witness=HERS, safe_contact=SafeContact("text", HERS)))
    await service.put_case(case(*persons, statements=(statement(f"more {HERS}", ("p1",)),)), 1)
    for ready in await service.claim():
        attempted = Attempted(AttemptResult.SUCCESS, 200, None, 5, "203.0.113.9", f"thanks for {HERS}".encode())
        await finished(service, ready, attempted)
    sent = await service.rows(
        f"select id from disclosures where state = 'standing' and recipient_id = '{police.recipient.id}'"  # noqa: S608 - our own id
    )
    officer = Actor("cal_agency", "agency", police.recipient.id)
    await service.database.write(
        lambda tx: acknowledge(
            tx, service.desk, officer, sent[0].id, AcknowledgementStatus.CLOSED, Words(f"EX {HERS}", HERS, HERS)
        )
    )
    for owner in (record_id, her):
        await answered(service, owner, f'{{"quotes":"{HERS}"}}'.encode())
    return record_id, her


async def nobody_reads_her(service: Service) -> None:
    """With the database and the key file in hand, her word is nowhere; and the log still proves every entry."""
    assert HERS.encode() not in await everything_readable(service)
    await service.check_house()


async def erased_alone(service: Service) -> tuple[str, str]:
    """She was alone in her record; two people erased her."""
    record_id, her = await a_whole_life(service, hers())
    assert HERS.encode() in await everything_readable(service)
    assert (await erase_subject(service, ONE, her)).erasure.erased_at is None
    assert HERS.encode() in await everything_readable(service)
    done = await erase_subject(service, OTHER, her)
    assert [(one.record_id, one.whole) for one in done.taken] == [(record_id, True)]
    assert done.sent == 2
    return record_id, her


async def test_nothing_of_an_erased_person_can_be_read(service: Service) -> None:
    """Revisions, disclosures, consents with witness and contact, an agency's answer and its words, stored answers."""
    await erased_alone(service)
    await nobody_reads_her(service)
    decided = await service.rows("select id from decisions where current")
    assert decided == []
    assert len(await service.rows("select id from decisions")) > 0


async def test_what_another_machine_found_before_it_was_erased_is_let_be(service: Service) -> None:
    """A sweep had the record on its list, the orphans' chore her consents: both come too late, and say nothing."""
    record_id, her = await erased_alone(service)
    before = await service.rows("select (select count(*) from notices), (select count(*) from outbox)")

    def late(tx: Transaction) -> None:
        with happening(tx, service.desk, ROUTER, deciding=True) as it:
            revisit.decide_again(it, record_id, "recipient.changed")
            ageing._erase_orphan(it, her, timedelta(days=1))  # noqa: SLF001 - what follows the lock, without the race

    await service.database.write(late)
    assert await service.rows("select (select count(*) from notices), (select count(*) from outbox)") == before
    assert await service.rows("select id from records where due_at is not null") == []
    await nobody_reads_her(service)


async def test_whoever_asks_for_the_erased_is_told_that_it_is_erased(service: Service) -> None:
    """Record, consent and both replays say so; lists go on without them; a new word of hers begins anew."""
    record_id, her = await erased_alone(service)
    read, vault = service.database.read, service.desk.vault
    (consent,) = await service.rows("select id from consents where revision = 1")
    for question in (
        lambda tx: inquiry.record(tx, service.desk, ONE, record_id),
        lambda tx: inquiry.consent(tx, service.desk, ONE, consent.id),
        *(
            lambda tx, owner=owner: answers.find(
                tx, vault, Asked("cal_intake", "POST /v1/example", owner[:64].ljust(64, "0"), "1" * 64)
            )
            for owner in (record_id, her)
        ),
    ):
        with pytest.raises(ErasedError):
            await read(question)
    page = await service.database.write(
        lambda tx: inquiry.list_records(tx, service.desk, ONE, RecordKind.CASE, None, 10)
    )
    assert page.items == ()
    with pytest.raises(ErasedError):
        await service.put_case(case(hers()), 2)
    again = await service.consent(Whose(person_id=her), grant(LE))
    assert again.decisions == ()
    assert (await erase_subject(service, ONE, her)).erasure.erased_at is None


async def test_an_erased_record_decided_again_holds_nothing(service: Service) -> None:
    """Whatever would have it decided again, nothing is queued, held or told."""
    await erased_alone(service)
    before = await service.rows("select count(*) from decisions"), await service.rows("select count(*) from notices")
    await service.enrol(agency(CPS))
    service.clock.forward(days=40)
    assert await service.revisit() == 0
    assert await service.claim() == []
    after = await service.rows("select count(*) from decisions"), await service.rows("select count(*) from notices")
    assert before == after
    await service.check_house()


async def with_another(service: Service) -> tuple[str, str]:
    """She and another adult are in one case; she is erased, the other consented too and stays."""
    record_id, her = await a_whole_life(service, hers(), person("p2", years=33))
    for one in (ONE, OTHER):
        done = await erase_subject(service, one, her)
    assert [(one.record_id, one.whole) for one in done.taken] == [(record_id, False)]
    return record_id, her


async def test_one_of_several_is_taken_out_of_every_revision(service: Service) -> None:
    """Her entry, what was labelled with her or with nobody, and every earlier revision are gone; the other's stay."""
    record_id, her = await with_another(service)
    await nobody_reads_her(service)
    standing = await service.database.write(lambda tx: inquiry.record(tx, service.desk, ONE, record_id))
    assert [one.ref for one in standing.stored.record.persons] == ["p2"]
    assert standing.stored.record.location is None
    assert her not in standing.stored.persons
    assert {one.person_id for one in standing.decisions} == set(standing.stored.persons)
    assert SECRET.encode() in await everything_readable(service)


async def test_the_other_persons_consent_still_works_after_the_erasure(service: Service) -> None:
    """The record lives on under its new key: the other grants, is disclosed, and is delivered."""
    record_id, _ = await with_another(service)
    standing = await service.database.write(lambda tx: inquiry.record(tx, service.desk, ONE, record_id))
    await service.deliver()
    await service.consent(Whose(person_id=standing.stored.persons[0]), grant(LE))
    bodies = [one.envelope.body.body for one in await service.deliver()]
    assert len(bodies) == 1
    assert b"Example-p2" in bodies[0]
    assert HERS.encode() not in bodies[0]
    await service.check_house()


async def test_a_person_of_an_earlier_revision_alone_is_found(service: Service) -> None:
    """She is in the case no more, but its first revision names her: it is destroyed with her."""
    await service.enrol(agency(LE))
    first = await service.put_case(case(hers(), person("p2", years=33)), None)
    her = first.stored.persons[0]
    await service.put_case(case(person("p2", years=33), location=None, statements=()), 1)
    assert HERS.encode() in await everything_readable(service)
    for one in (ONE, OTHER):
        await erase_subject(service, one, her)
    await nobody_reads_her(service)


async def test_one_credential_erases_nothing(service: Service) -> None:
    """The same one twice is refused; a request of a week ago is no request any more."""
    record_id, her = await a_whole_life(service, hers())
    for erase, about in ((erase_subject, her), (erase_record, record_id)):
        await erase(service, ONE, about)
        with pytest.raises(SamePersonError):
            await erase(service, ONE, about)
    service.clock.forward(days=7)
    assert (await erase_subject(service, OTHER, her)).erasure.erased_at is None
    assert HERS.encode() in await everything_readable(service)


async def held(service: Service, record_id: str) -> str:
    """A legal hold."""
    placed = await service.database.write(
        lambda tx: holding.hold(tx, service.desk, ONE, record_id, f"litigation {HERS}")
    )
    return placed.id


async def a_hold_keeps_it(service: Service) -> None:
    """Placed between the request and the confirmation, it stops both ways and retention, until it is released."""
    record_id, her = await a_whole_life(service, hers())
    await erase_subject(service, ONE, her)
    hold_id = await held(service, record_id)
    for erase, about in ((erase_subject, her), (erase_record, record_id)):
        with pytest.raises(HeldError, match="legal hold"):
            await erase(service, OTHER, about)
    assert HERS.encode() in await everything_readable(service)
    await service.database.write(lambda tx: holding.release(tx, service.desk, OTHER, record_id, hold_id))
    await erase_subject(service, OTHER, her)
    await nobody_reads_her(service)


async def test_a_hold_is_not_bypassed(service: Service) -> None:
    """Neither by a request that came first, nor by erasing the record instead of the person."""
    await a_hold_keeps_it(service)


async def test_what_is_owed_or_on_its_way_keeps_it(service: Service) -> None:
    """An open duty, an attempt in flight and a recall that has not arrived: each is waited for."""
    await service.enrol(agency(LE))
    child = await service.accept(tip(person(years=12)))
    with pytest.raises(HeldError, match="duty"):
        await erase_record(service, ONE, child.stored.id)
    adult = await service.accept(tip(person("p9"), external_id="T-9"))
    given = await service.consent(Whose(person_id=adult.stored.persons[0]), grant(LE))
    (ready,) = [one for one in await service.claim() if one.record_id == adult.stored.id]
    with pytest.raises(HeldError, match="under way"):
        await erase_record(service, ONE, adult.stored.id)
    await service.finish(ready)
    await service.withdraw(given.consent.id)
    with pytest.raises(HeldError, match="under way"):
        await erase_record(service, ONE, adult.stored.id)
    await service.deliver()
    for one in (ONE, OTHER):
        await erase_record(service, one, adult.stored.id)
    await service.check_house()


async def test_what_only_waits_by_consent_is_cancelled(service: Service) -> None:
    """A disclosure in the queue that rests on her own consent does not keep her record: it is never sent."""
    await service.enrol(agency(LE))
    accepted = await service.accept(tip())
    her = accepted.stored.persons[0]
    await service.consent(Whose(person_id=her), grant(LE))
    for one in (ONE, OTHER):
        await erase_subject(service, one, her)
    assert [row.state for row in await service.rows("select state from deliveries")] == ["cancelled"]
    assert await service.claim() == []
    assert await service.rows("select sealed from consents where length(sealed) > 0") == []
    await service.check_house()
    kinds = [entry.kind.value for entry in await entries_of(service)]
    assert kinds.count("record.erased") == kinds.count("subject.erased") == 1


def test_every_sealed_column_is_known_to_erasure() -> None:
    """A new table with something sealed in it must say how it is erased, or that it is nobody's record."""
    elsewhere = {"consents", "suspensions", "signing_keys", "client_keys", "accounts"}
    known = {one.table.name for one in erasure.SEALED}
    assert {table.name for table, _ in sealed_columns()} == known | elsewhere


def _keeps_the_key(*_: Any) -> None:  # noqa: ANN401 - whatever it was called with
    return None


def _forgets_her_entry_alone(record: Record, ref: str) -> Record | None:
    kept = tuple(one for one in record.persons if one.ref != ref)
    return replace(record, persons=kept) if kept else None


def _the_old_key_again(vault: Vault, tx: Transaction, owner: str, now: datetime) -> DataKey:
    return vault.key(tx, owner) if vault.known(tx, owner) else vault.create(tx, owner, now)


@pytest.mark.parametrize(
    ("fault", "story"),
    [
        ([(erasure, "_empty", _keeps_the_key), (Vault, "destroy", _keeps_the_key)], erased_alone),
        ([(consents, "erase", _keeps_the_key)], erased_alone),
        ([(erasing, "without", _forgets_her_entry_alone)], with_another),
        (
            [(Vault, "renew", _the_old_key_again), (erasure, "_empty", _keeps_the_key)],
            with_another,
        ),
        ([(erasure, "about_person", lambda *_: [])], with_another),
    ],
    ids=[
        "key and content stay",
        "consents stay",
        "what nobody labelled stays",
        "old revisions stay",
        "disclosures stay",
    ],
)
async def test_an_erasure_that_leaves_something_is_found_out(
    service: Service,
    fault: list[tuple[Any, str, Any]],
    story: Callable[[Service], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The test of the tests: with any part of it left out, her word is read again."""
    for where, name, instead in fault:
        monkeypatch.setattr(where, name, instead)
    await story(service)
    with pytest.raises(AssertionError):
        await nobody_reads_her(service)


async def test_an_erasure_past_a_hold_is_found_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with the look for holds left out, the story above fails."""
    monkeypatch.setattr(erasure, "keeps", lambda *_: ())
    with pytest.raises(pytest.fail.Exception):
        await a_hold_keeps_it(service)
