"""What was told is kept longer than anybody promised: answers, snippets, texts, consents and accounts of nobody."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.agreement import entries_of, log_agrees_with_rows
from tests.attacks.test_erased_content import ONE, OTHER, answered, erase_record
from tests.support.ageing import (
    AGEING,
    EVERY,
    LE,
    PERIOD,
    WHO_ASKED,
    Lived,
    age,
    alone,
    chore,
    live_keys,
    lived,
    readable,
    through,
)
from tests.support.fictional import agency, grant, person, tip
from tests.support.long_questions import indexes
from tests.support.paging import WEBHOOK
from tests.support.service import OPERATOR, START, Service, open_service
from tests.support.staff import invite, member
from tests.support.thief import everything_readable, sealed_columns
from tiprouter.domain.accounts import INVITATION_FOR
from tiprouter.domain.consent import Choice
from tiprouter.domain.repeating import Routing
from tiprouter.domain.retention import Retained, cause_of
from tiprouter.domain.vocabulary import RecordKind
from tiprouter.storage import accounts, answers, consents, erasure, pages
from tiprouter.storage import ageing as stored
from tiprouter.storage.answers import Asked
from tiprouter.storage.database import Transaction
from tiprouter.storage.vault import ErasedError, Vault
from tiprouter.workflow import accounting, ageing, erasing, exporting, history, log_watch, people
from tiprouter.workflow.chores import CHORES, Chore
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.happening import happening
from tiprouter.workflow.once import Answer, once

SECOND = timedelta(seconds=1)
ONE_BY_ONE = (
    Retained.ANSWER,
    Retained.SNIPPET,
    Retained.NOTICE,
    Retained.ACCOUNT,
    Retained.ACCOUNTING,
    Retained.CONSENT,
    Retained.TIP,
    Retained.CASE,
)
"""In an order in which none takes what another is about."""


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Service]:
    """A service on the embedded database alone."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        yield service


def test_every_sealed_column_belongs_to_exactly_one_class() -> None:
    """A new table with something sealed in it must say how long that is kept, or that it tells of nobody."""
    sealed = {table.name for table, _ in sealed_columns()} | {"secrets"}
    parts = (stored.OF_RECORDS, frozenset(stored.OF_THEIR_OWN), stored.ABOUT_NOBODY)
    assert sealed == frozenset().union(*parts)
    assert sum(len(part) for part in parts) == len(sealed)
    for name in sealed - stored.ABOUT_NOBODY:
        assert stored.class_of(name, RecordKind.TIP) is not None
    assert {stored.class_of(name, kind) for name in sealed for kind in RecordKind} >= set(Retained)
    with pytest.raises(KeyError):
        stored.class_of("tables_of_tomorrow")


def test_every_class_has_its_chore() -> None:
    """Whatever ages is looked at by the workers."""
    assert set(AGEING) <= set(CHORES)


def over(there: Lived, what: Retained) -> tuple[datetime, Callable[[str, str], bool]]:
    """From when a class counts in what was lived, and of which rows, each with its owner, it consists."""

    def in_table(name: str) -> Callable[[str, str], bool]:
        return lambda row, _: row.startswith(f"{name}/")

    def of(owner: str) -> Callable[[str, str], bool]:
        return lambda _, whose: whose == owner

    known = {
        Retained.TIP: (START, of(there.danger)),
        Retained.CASE: (START, of(there.closed)),
        Retained.CONSENT: (START + timedelta(days=30), of(there.orphan)),
        Retained.ANSWER: (START, in_table("answers")),
        Retained.SNIPPET: (START, in_table("attempts")),
        Retained.NOTICE: (START, in_table("subject_notices")),
        Retained.ACCOUNTING: (START + timedelta(days=20), in_table("suspensions")),
        Retained.ACCOUNT: (START + INVITATION_FOR, in_table("accounts")),
    }
    return known[what]


async def goes_in_time(service: Service, there: Lived, what: Retained, period: timedelta) -> None:
    """Not a second before it is over; then all of the class and nothing else, and the log says why."""
    before = await readable(service)
    since, belongs = over(there, what)
    await age(service, since + period - SECOND, {what: period})
    assert await readable(service) == before
    await age(service, since + period, {what: period})
    mine = {row for row, owner in before.items() if belongs(row, owner)}
    assert mine, what
    assert before.keys() - (await readable(service)).keys() == mine
    await service.sequencer.drain()
    causes = [str(entry.body.get("cause")) for entry in await entries_of(service)]
    assert [cause for cause in causes if cause.startswith("retention.")][-1] == cause_of(what)


async def test_each_class_goes_when_it_is_over_and_nothing_else_does(service: Service) -> None:
    """Each class of what a service has lived through, one after the other and each alone."""
    there = await lived(service)
    for number, what in enumerate(ONE_BY_ONE):
        await goes_in_time(service, there, what, PERIOD + timedelta(days=31 * number))
    await log_agrees_with_rows(service)


async def test_what_a_service_was_not_told_to_forget_it_keeps(embedded: Service) -> None:
    """Without periods, and with periods of no days, nothing goes in a hundred years."""
    service = embedded
    await lived(service)
    before = await readable(service)
    for periods in ({}, dict.fromkeys(Retained, timedelta())):
        await age(service, START + timedelta(days=36_500), periods)
        assert await readable(service) == before


async def test_keys_that_sealed_nothing_else_are_destroyed(service: Service) -> None:
    """A backup of the values alone brings neither a consent back, nor an answer, nor who asked, nor whose it was."""
    there = await lived(service)
    keys = await live_keys(service)
    await age(service, START + timedelta(days=20_000), EVERY)
    gone = keys - await live_keys(service)
    assert {there.orphan, there.alone, there.danger, there.closed} <= gone
    assert {"sus", "acc"} <= {owner.partition("_")[0] for owner in gone}
    assert {there.case, there.her, there.police} & gone == set()
    assert WHO_ASKED.encode() not in await everything_readable(service)


async def test_an_answer_that_was_forgotten_is_no_answer_and_no_second_deed(embedded: Service) -> None:
    """Whoever uses the key again is told that it was erased, whatever they ask."""
    service = embedded
    there = await lived(service)
    await age(service, START + PERIOD, {Retained.ANSWER: PERIOD})
    for owner, request in ((there.alone, "1"), (there.her, "1"), (there.case, "2")):
        asked = Asked("cal_intake", "POST /v1/example", owner[:64].ljust(64, "0"), request * 64)
        story: Callable[[], Answer] = pytest.fail
        with pytest.raises(ErasedError):
            await service.database.write(lambda tx, asked=asked, story=story: once(tx, service.desk, asked, story))  # type: ignore[misc] # a default is no argument


async def test_pages_and_alarms_go_and_the_notices_stay(service: Service) -> None:
    """What was told outside is forgotten; that there was a notice is in the log, and so in the table."""
    await lived(service)
    kept = await service.rows("select id from notices")
    await age(service, START + PERIOD - SECOND, EVERY)
    assert await service.rows("select id from pages") != []
    assert await service.rows("select notice_id from alarms") != []
    await age(service, START + PERIOD + SECOND, EVERY)
    assert await service.rows("select id from pages") == []
    assert await service.rows("select notice_id from alarms") == []
    assert await service.rows("select id from notices") == kept
    await log_agrees_with_rows(service)


async def test_a_page_that_waits_and_an_alarm_that_rings_are_not_forgotten(embedded: Service) -> None:
    """However old they are: somebody is still to be told."""
    service = embedded
    await lived(service)
    waiting = "update pages set finished_at = null, state = 'waiting'"
    ringing = "update alarms set next_at = 9000000000000000"
    await service.database.write(lambda tx: [tx.exec_driver_sql(one) for one in (waiting, ringing)])
    before = await service.rows("select count(*) from pages"), await service.rows("select count(*) from alarms")
    await age(service, START + PERIOD + SECOND, {Retained.NOTICE: PERIOD})
    after = await service.rows("select count(*) from pages"), await service.rows("select count(*) from alarms")
    assert before == after


NOBODY = Whose(source="hotline-example", ref="nobody")


async def test_a_consent_is_kept_while_it_stands_and_then_for_its_period(service: Service) -> None:
    """A grant counts from its end, not from the day it was given; a withdrawn one from its last word."""
    given = await service.consent(NOBODY, grant(LE, expires_at=START + timedelta(days=300)))
    periods = {Retained.CONSENT: timedelta(days=10)}
    await age(service, START + timedelta(days=309), periods)
    assert given.consent.person_id in await live_keys(service)
    await age(service, START + timedelta(days=310), periods)
    assert given.consent.person_id not in await live_keys(service)
    other = await service.consent(NOBODY, grant(LE, expires_at=service.clock.at + timedelta(days=300)))
    await service.withdraw(other.consent.id)
    await age(service, service.clock.at + timedelta(days=10), periods)
    assert other.consent.person_id not in await live_keys(service)
    await service.check_house()


async def test_what_somebody_said_last_keeps_all_of_their_words(embedded: Service) -> None:
    """An old grant goes with the new refusal, when that is over: a history is erased as a whole."""
    service = embedded
    first = await service.consent(NOBODY, grant(LE, expires_at=START + timedelta(days=1)))
    service.clock.forward(days=8)
    await service.consent(NOBODY, grant(LE, choice=Choice.REFUSE, expires_at=None))
    periods = {Retained.CONSENT: timedelta(days=10)}
    await age(service, START + timedelta(days=17), periods)
    assert first.consent.person_id in await live_keys(service)
    await age(service, START + timedelta(days=18), periods)
    assert first.consent.person_id not in await live_keys(service)


async def test_a_tip_that_names_them_at_last_keeps_a_consent(service: Service) -> None:
    """On the day before it would go somebody tells of the person: it stands, and goes with that tip."""
    given = await service.consent(NOBODY, grant(LE, expires_at=START + timedelta(days=30)))
    service.clock.forward(days=39)
    accepted = await service.accept(tip(person("nobody")))
    assert accepted.stored.persons == (given.consent.person_id,)
    periods = {Retained.CONSENT: timedelta(days=10)}
    await age(service, START + timedelta(days=400), periods)
    assert given.consent.person_id in await live_keys(service)
    await age(service, START + timedelta(days=401), periods | {Retained.TIP: timedelta(days=10)})
    assert given.consent.person_id not in await live_keys(service)
    await service.check_house()


async def the_account_ends(service: Service) -> None:
    """Of an erased record: told of for its period, from the last that was done; then of whom and why is gone."""
    there = await lived(service)
    service.clock.at = START + timedelta(days=300)
    for one in (ONE, OTHER):
        await erase_record(service, one, there.case)
    service.clock.at = START + timedelta(days=900)
    told = await told_of(service, there.her)
    assert told
    await service.sequencer.drain()
    await age(service, START + PERIOD - SECOND, EVERY)
    assert await service.rows(f"select 1 from decisions where record_id = '{there.case}' and facts is null") == []  # noqa: S608 - our own id
    await age(service, START + PERIOD, EVERY)
    left = await service.rows(f"select facts, salt from decisions where record_id = '{there.case}'")  # noqa: S608 - our own id
    assert {tuple(row) for row in left} == {(None, "")}
    assert await service.rows(f"select 1 from appearances where record_id = '{there.case}'") == []  # noqa: S608 - our own id
    service.clock.at = START + timedelta(days=900)
    assert await told_of(service, there.her) == 0
    with pytest.raises(ErasedError):
        await service.database.read(lambda tx: exporting.gathered(tx, service.desk, there.case))
    assert (await history.replay(service.database, service.desk)).ok
    counted = await log_watch.reconcile(service.database, service.desk)
    assert all(one.rows == one.entries for one in counted)
    await log_agrees_with_rows(service)


async def told_of(service: Service, person_id: str) -> int:
    """How many disclosures the accounting of a person tells of."""
    made = await service.database.write(
        lambda tx: accounting.account(tx, service.desk, ONE, person_id, None, for_staff=True)
    )
    return len(made.items)


async def test_the_accounting_of_what_was_erased_ends(service: Service) -> None:
    """It outlives the content by its own period, and then goes with the facts and the grounds."""
    await the_account_ends(service)


async def test_whose_a_forgotten_account_was_is_not_told(embedded: Service) -> None:
    """The list of people goes on without a name; who can sign in keeps theirs, however long they were away."""
    service = embedded
    account, _ = await invite(service)
    keeper = await member(service, "other@hotline.example")
    await age(service, START + INVITATION_FOR + PERIOD + timedelta(days=1), {Retained.ACCOUNT: PERIOD})
    listed = await service.database.write(lambda tx: people.listed(tx, service.desk, OPERATOR, None, 10))
    named = {one.account.id: one.holder for one in listed}
    assert named[account.id] is None
    assert named[keeper.account.id] is not None


async def six_of_each(service: Service) -> None:
    """Six of whatever ages, each of them over."""
    await service.enrol(agency(LE))
    service.desk = replace(service.desk, routing=Routing(frozenset({WEBHOOK}), {}))
    for number in range(6):
        accepted = await service.accept(tip(person(f"q{number}"), external_id=f"T-{number}"))
        await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE))
        await service.consent(Whose(source="hotline-example", ref=f"nobody{number}"), grant(LE))
        await answered(service, await alone(service), b"words")
        await invite(service, f"reviewer{number}@hotline.example")
        await service.database.write(partial(_told, service=service, subject=f"ers_{number}"))
    await service.deliver()
    await service.database.write(through)


def _told(tx: Transaction, service: Service, subject: str) -> None:
    with happening(tx, service.desk, ONE) as it:
        it.tell("erasure.requested", subject, None, None)


SLICES: tuple[Chore, ...] = (
    ageing.forget_answers,
    ageing.forget_snippets,
    ageing.forget_notices,
    ageing.forget_accounts,
    ageing.erase_orphans,
    lambda tx, desk: erasing.erase_aged(tx, desk, 2),
    ageing.forget_accounting,
)
"""In an order in which none takes what another is about: a record takes its snippets along, and then is accounted."""


async def test_one_call_takes_one_slice(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """With three slices of each class waiting, each call takes one, whatever waits behind it; then there is no more."""
    monkeypatch.setattr(ageing, "SLICE", 2)
    monkeypatch.setattr(ageing, "PERSONS", 2)
    await six_of_each(service)
    service.clock.at = START + timedelta(days=20_000)
    service.desk = replace(service.desk, retention=EVERY)
    assert [[await chore(service, one) for _ in range(4)] for one in SLICES] == [[2, 2, 2, 0]] * len(SLICES)
    await log_agrees_with_rows(service)


NOW = START + timedelta(days=20_000)
LOOKS: Mapping[str, Callable[[Transaction, Vault], Any]] = {
    "ix_records_aged": lambda tx, _: erasure.aged(tx, RecordKind.TIP, NOW, 20),
    "ix_records_accounted": lambda tx, _: stored.accounted(tx, NOW, 20),
    "ix_consents_aged_from": lambda tx, _: consents.orphans(tx, NOW, 20),
    "ix_answers_given_at": lambda tx, vault: answers.forget(tx, vault, NOW, NOW, 200),
    "ix_attempts_snippets": lambda tx, _: stored.forget_snippets(tx, NOW, 200),
    "ix_subject_notices_settled": lambda tx, _: stored.forget_texts(tx, NOW, 200),
    "ix_suspensions_until": lambda tx, vault: stored.forget_suspensions(tx, vault, NOW, NOW, 200),
    "ix_accounts_labelled": lambda tx, vault: accounts.forget(tx, vault, NOW, NOW, 200),
    "pages": lambda tx, _: pages.forget(tx, NOW, 200),
}
"""Each look for a slice, by the index that it is to use; pages by their own key."""


async def test_each_slice_is_found_by_index(service: Service) -> None:
    """Neither database reads a table whole: what is looked through are rows that were not forgotten yet."""

    def plans(tx: Transaction) -> dict[str, list[str]]:
        if tx.dialect.name == "postgresql":
            tx.exec_driver_sql("SET LOCAL enable_seqscan = off")  # the tables are as good as empty
            tx.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        return {name: indexes(tx, lambda tx, look=look: look(tx, service.desk.vault)) for name, look in LOOKS.items()}  # type: ignore[misc] # a default is no argument

    for name, used in (await service.database.write(plans)).items():
        by = {"pk_pages", "sqlite_autoindex_pages_1"} if name == "pages" else {name}
        assert by & set(used), (name, used)
        assert not [one for one in used if one.startswith(("SCAN", "Seq Scan"))], (name, used)


def _nothing(*_: Any) -> int:  # noqa: ANN401 - whatever it was called with
    return 0


def _leaves_the_key(*_: Any) -> None:  # noqa: ANN401 - as above
    return None


FAULTS: tuple[tuple[str, Retained, object, str, object], ...] = (
    ("answers stay", Retained.ANSWER, answers, "forget", _nothing),
    ("snippets stay", Retained.SNIPPET, stored, "forget_snippets", _nothing),
    ("texts stay", Retained.NOTICE, stored, "forget_texts", _nothing),
    ("a tip is kept as a case", Retained.TIP, erasing, "_CLASSES", ((RecordKind.TIP, Retained.CASE),)),
    ("names stay", Retained.ACCOUNT, accounts, "forget", _nothing),
    ("who asked stays", Retained.ACCOUNTING, stored, "forget_suspensions", _nothing),
    ("orphans stay", Retained.CONSENT, consents, "orphans", lambda *_: []),
    ("a consent goes while it stands", Retained.CONSENT, ageing, "counts_from", lambda said: min(at for _, at in said)),
)


async def test_what_is_kept_too_long_or_too_short_is_found_out(
    embedded: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the tests: with one class left out, or counted wrongly, its story fails."""
    there = await lived(embedded)
    for number, (fault, what, where, name, instead) in enumerate(FAULTS):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, instead)
            try:
                await goes_in_time(embedded, there, what, PERIOD + timedelta(days=31 * number))
            except AssertionError:
                continue
        pytest.fail(f"nobody noticed: {fault}")


async def test_a_key_that_outlives_what_it_sealed_is_found_out(
    embedded: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the tests: with the values emptied and the keys left, a backup would bring the values back."""
    service = embedded
    monkeypatch.setattr(Vault, "destroy", _leaves_the_key)
    there, keys = await lived(service), await live_keys(service)
    await age(service, START + timedelta(days=20_000), EVERY)
    assert there.orphan in keys & await live_keys(service)


async def test_an_account_that_does_not_end_is_found_out(embedded: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with erased records never looked at again, the facts stay for ever."""
    service = embedded
    monkeypatch.setattr(stored, "accounted", lambda *_: [])
    with pytest.raises(AssertionError):
        await the_account_ends(service)
