"""The log's commitments are opened to whoever two people opened the matter to, to nobody else, and not once erased."""

import base64
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from tests.attacks.test_erased_content import HERS, ONE, a_whole_life, erase_subject, hers
from tests.attacks.test_erased_content import OTHER as SECOND_ERASER
from tests.attacks.test_markers_everywhere import left_behind
from tests.support import questioning, reviewing
from tests.support.answering import ask_in_writing, call, standing, write
from tests.support.fictional import SECRET, agency, grant, person, tip
from tests.support.granting import AUDITOR, LE, OTHER_AUDITOR, WHY, ask, opened, revoke
from tests.support.questioning import Hotline
from tests.support.recovering import retry
from tests.support.reviewing import Reviewers, establish
from tests.support.service import Service
from tests.support.thief import everything_readable
from tiprouter.audit.entry import Entry, parse
from tiprouter.audit.kinds import FIELDS, Kind
from tiprouter.audit.matter_bundle import MANIFEST, OPENINGS, SIGNED, bind, canonical, index_in, unpack
from tiprouter.audit.matter_openings import NONE_GIVEN, committed, spell
from tiprouter.audit.matter_verify import verify_bundle
from tiprouter.audit.steps import Report
from tiprouter.domain.record import Person
from tiprouter.domain.recovery import RetryReason
from tiprouter.domain.vocabulary import Category, Establishable, RecipientKind, Role
from tiprouter.errors import NotFoundError
from tiprouter.storage import grants, migrations
from tiprouter.storage import openings as kept
from tiprouter.storage.database import Transaction
from tiprouter.storage.grants_table import grants as grant_rows
from tiprouter.storage.vault import DataKey, Place
from tiprouter.workflow import assess as assessing
from tiprouter.workflow import exporting, openings
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.exporting import Gathered, NotInTheLogError
from tiprouter.workflow.recovery import Wish

CPS = RecipientKind.CHILD_PROTECTION
ON_SQLITE = pytest.mark.parametrize("service", ["sqlite"], indirect=True)
"""What the other database would do no differently."""

Files = dict[str, bytes]
NOTE = f"the line was cut {SECRET}"


async def exported(service: Service, record_id: str, grant_id: str | None, actor: Any = AUDITOR) -> Files:  # noqa: ANN401
    """The files of a bundle, under a grant or under none."""
    await service.check_house()
    return unpack(await exporting.export(service.database, service.desk, actor, record_id, grant_id))


def verified(service: Service, files: Files) -> Report:
    """As an auditor does it, with the log's key alone."""
    return verify_bundle(files, service.signer.vkey, service.clock.at)


def entries_in(files: Files) -> dict[int, Entry]:
    """The entries of a bundle by index."""
    found = {path: part for path in files if (part := index_in(path)) is not None and part[0] == "entries"}
    return {part[1]: parse(files[path]) for path, part in found.items()}


def given(files: Files) -> dict[int, list[str] | None]:
    """What each opening says: salt, member and value; read by nothing of ours."""
    items = json.loads(files[OPENINGS])["openings"]
    return {
        one["index"]: None
        if one["opening"] is None
        else json.loads(base64.urlsafe_b64decode(one["opening"] + "=" * (-len(one["opening"]) % 4)))
        for one in items
    }


async def a_full_matter(service: Service) -> str:
    """A child of whom a duty is owed, called and written about; sent, asked about, answered and tried again."""
    agency = await questioning.police(service)
    everyone = (person("p1"), person("c1", 9, Role.POTENTIAL_VICTIM, guardians=()))
    accepted = await service.accept(tip(*everyone, external_id="T-1"))
    await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE))
    await service.deliver()
    service.clock.forward(seconds=1)
    duty = next(one for one in await standing(service) if one.recipient_id == agency.recipient.id)
    await ask_in_writing(service, duty.id)
    await call(service, duty.id)
    await write(service, duty.id)
    await agency.ask()
    await Hotline(service).answer()
    (delivery,) = await service.rows("select id from deliveries where state = 'delivered' order by id limit 1")
    await retry(service, delivery.id, Wish(RetryReason.OTHER, NOTE))
    return accepted.stored.id


async def test_every_commitment_of_a_matter_is_opened_to_the_holder_of_its_grant(service: Service) -> None:
    """Every kind there is, in three matters; the verifier opens them all, and the words are what people wrote."""
    full = await a_full_matter(service)
    case, _ = await a_whole_life(service, hers())
    unsure = (await service.accept(tip(person("p7", years=None), external_id="T-7"))).stored.id
    reviewers, seen = Reviewers(service), dict[Kind, str]()
    review = next(one for one in await reviewers.queue() if one.record_id == unsure)
    await reviewers.claim(review.id)
    await reviewers.decide(review.id, establish(Establishable.AGE, "adult"))
    for record_id in (full, case, unsure):
        files = await exported(service, record_id, await opened(service, record_id))
        report, entries, values = verified(service, files), entries_in(files), given(files)
        assert report.ok, report.steps
        assert report.steps[10].detail == f"opened: {len(values)}"
        assert {index for index, one in entries.items() if committed(one)} == values.keys()
        seen |= {entries[index].kind: one[2] for index, one in values.items() if one is not None}
    assert seen.keys() == openings._ROW.keys()  # noqa: SLF001 - no kind of entry is left out
    assert (seen[Kind.GRANT_ASKED], seen[Kind.DELIVERY_RETRIED]) == (WHY, NOTE)
    assert (seen[Kind.REVIEW_DECIDED], seen[Kind.FACT_ESTABLISHED]) == (reviewing.WHY, "age=adult")
    assert HERS in seen[Kind.RECORD_REVISED]


def test_every_kind_that_commits_to_something_names_its_row() -> None:
    """A new kind of entry with a commitment needs a row, or its opening would be None for ever."""
    with_one = {kind for kind, fields in FIELDS.items() if "commitment" in fields} | {Kind.DISCLOSURE_MADE}
    assert with_one - {Kind.RECORD_ERASED} == openings._ROW.keys()  # noqa: SLF001 - the table itself
    assert all(set(names) <= FIELDS[kind] for kind, names in openings._ROW.items())  # noqa: SLF001 - the table itself


async def test_nobody_else_gets_an_opening(service: Service) -> None:
    """Without the grant, with another auditor's, another record's, and one that is over or not open yet."""
    record_id, _ = await a_whole_life(service, hers())
    other = (await service.accept(tip())).stored.id
    mine, elsewhere = await opened(service, record_id, days=1), await opened(service, other)
    without = await exported(service, record_id, None)
    assert OPENINGS not in without
    assert verified(service, without).steps[10].detail == NONE_GIVEN
    assert HERS.encode() not in b"".join(without.values())
    for grant_id, actor in ((mine, OTHER_AUDITOR), (elsewhere, AUDITOR), ("grt_01KJQH0CC0BX86ENBVMH4TY5PA", AUDITOR)):
        with pytest.raises(NotFoundError):
            await exported(service, record_id, grant_id, actor)
    assert OPENINGS in await exported(service, record_id, mine)
    service.clock.forward(days=1)
    with pytest.raises(NotFoundError):
        await exported(service, record_id, mine)


async def test_why_another_auditor_asked_is_not_opened(service: Service) -> None:
    """Two auditors asked for one matter: each bundle opens its own auditor's reason, and the other's is not there."""
    record_id, _ = await a_whole_life(service, hers())
    await ask(service, record_id, OTHER_AUDITOR, reason="a fictional reason of another auditor")
    mine = await opened(service, record_id)
    files = await exported(service, record_id, mine)
    asked = {index for index, one in entries_in(files).items() if one.kind is Kind.GRANT_ASKED}
    values = given(files)
    assert verified(service, files).ok
    assert [values[index] and values[index][2] for index in sorted(asked)] == [None, WHY]  # type: ignore[index]  # is not None


@ON_SQLITE
async def test_a_review_answered_twice_is_told_of_twice(service: Service) -> None:
    """The row remembers the last answer alone; the bundle has both, and is true while the second waits to be logged."""
    await service.enrol(agency(LE))
    await reviewing.witness(service)
    reviewers = Reviewers(service)
    (held, *_) = await reviewers.queue()
    grant_id = await opened(service, held.record_id)
    await reviewers.claim(held.id)
    service.clock.forward(seconds=1)
    await reviewers.decide(held.id, reviewing.release(Category.INCIDENT, Category.IDENTITY))
    assert [one is not None for one in answers(await exported(service, held.record_id, grant_id))] == [True]
    service.clock.forward(seconds=1)
    await reviewers.claim(held.id, reviewing.BERT)
    service.clock.forward(seconds=1)
    await reviewers.decide(held.id, reviewing.WITHHOLD, reviewing.BERT)
    early = unpack(await exporting.export(service.database, service.desk, AUDITOR, held.record_id, grant_id))
    assert answers(early) == [None]
    assert verified(service, early).ok
    late = await exported(service, held.record_id, grant_id)
    assert [one is not None for one in answers(late)] == [False, True]
    assert verified(service, late).ok
    assert sum(one.kind is Kind.REVIEW_CLAIMED for one in entries_in(late).values()) == 2


def answers(files: Files) -> list[list[str] | None]:
    """What opens each answer to a review, oldest first."""
    entries = entries_in(files)
    return [one for index, one in given(files).items() if entries[index].kind is Kind.REVIEW_DECIDED]


async def test_a_grant_that_ends_meanwhile_gives_nothing(service: Service) -> None:
    """What was gathered before the revocation does not leave after it, and nothing says that it did."""
    record_id, _ = await a_whole_life(service, hers())
    grant_id = await opened(service, record_id)
    await service.check_house()
    desk = service.desk
    found = await service.database.read(lambda tx: exporting.gathered(tx, desk, record_id, grants.load(tx, grant_id)))
    assert found.contents.openings is not None
    await revoke(service, grant_id)
    with pytest.raises(NotFoundError):
        await made(service, found)
    assert await said(service, Kind.EXPORT_MADE, Kind.GRANT_READ) == []


async def made(service: Service, found: Gathered) -> None:
    """Let what was gathered leave."""
    story = partial(exporting.made, desk=service.desk, actor=AUDITOR, contents=found.contents, data=b"")
    await service.database.write(lambda tx: story(tx, under=found.under), quietly=True)


@pytest.mark.parametrize("others", [(), (person("p2", years=33),)])
async def test_what_is_erased_meanwhile_does_not_leave(service: Service, others: tuple[Person, ...]) -> None:
    """She, or the whole case, is erased between the gathering and the leaving: asked again, it is not there."""
    record_id, her = await a_whole_life(service, hers(), *others)
    grant_id = await opened(service, record_id)
    await service.check_house()
    desk = service.desk
    found = await service.database.read(lambda tx: exporting.gathered(tx, desk, record_id, grants.load(tx, grant_id)))
    service.clock.forward(seconds=1)
    for one in (ONE, SECOND_ERASER):
        await erase_subject(service, one, her)
    with pytest.raises(NotInTheLogError):
        await made(service, found)
    assert await said(service, Kind.EXPORT_MADE, Kind.GRANT_READ) == []
    assert HERS not in json.dumps(list(given(await exported(service, record_id, grant_id)).values()))


async def said(service: Service, *kinds: Kind) -> list[Entry]:
    """The log's entries of these kinds."""
    await service.check_house()
    rows = await service.rows('select entry from log_entries order by "index"')
    return [one for one in (parse(bytes(row.entry)) for row in rows) if one.kind in kinds]


async def test_who_got_openings_is_logged_under_the_grant(service: Service) -> None:
    """The look, why, and the file, before it left."""
    record_id, _ = await a_whole_life(service, hers())
    grant_id = await opened(service, record_id)
    await exported(service, record_id, grant_id)
    read, access, made = await said(service, Kind.GRANT_READ, Kind.ACCESS, Kind.EXPORT_MADE)
    assert (read.body["grant"], read.body["record"], read.body["auditor"]) == (grant_id, record_id, AUDITOR.id)
    assert (access.body["what"], access.body["why"], access.body["subject"]) == ("audit-bundle", grant_id, record_id)
    assert made.body["record"] == record_id


async def salts(service: Service, record_id: str) -> dict[str, bytes]:
    """The salts that are kept of a record, by row."""
    vault = service.desk.vault
    found = await service.database.read(lambda tx: kept.of_record(tx, vault, record_id))
    return {row_id: salt for row_id, (salt, _) in found.items() if salt}


def spellings(salt: bytes) -> list[bytes]:
    """How a salt could stand somewhere."""
    return [salt, salt.hex().encode(), base64.urlsafe_b64encode(salt)[:21], base64.b64encode(salt)[:21]]


async def test_no_salt_and_no_opening_lies_about(service: Service) -> None:
    """In no row and no file, whoever reads them without the keys; with the keys they are there, so the test sees."""
    record_id = await a_full_matter(service)
    await exported(service, record_id, await opened(service, record_id))
    found = await salts(service, record_id)
    assert len(found) >= 8
    raw, readable = b"\n".join((await left_behind(service)).values()), await everything_readable(service)
    assert all(salt in readable for salt in found.values())
    assert [row_id for row_id, salt in found.items() if any(one in raw for one in spellings(salt))] == []


async def test_what_was_erased_opens_nowhere_and_the_verifier_says_by_which_entry(service: Service) -> None:
    """She is taken out of a case: the words about her and every salt of theirs are gone; then the case goes too."""
    record_id, her = await a_whole_life(service, hers(), person("p2", years=33))
    grant_id = await opened(service, record_id)
    before = given(await exported(service, record_id, grant_id))
    assert None not in before.values()
    had = await salts(service, record_id)
    for one in (ONE, SECOND_ERASER):
        await erase_subject(service, one, her)
    readable = await everything_readable(service)
    gone = {row_id for row_id, salt in had.items() if salt not in readable}
    assert {row_id for row_id in had if "#" in row_id or row_id == grant_id} <= gone
    files = await exported(service, record_id, grant_id)
    first = closes(files, before, had, gone)
    for one in (ONE, SECOND_ERASER):
        await erase_subject(service, one, str((await service.rows("select person_id from record_persons"))[0][0]))
    assert await salts(service, record_id) == {}
    readable = await everything_readable(service)
    assert not any(salt in readable for salt in had.values())
    files = await exported(service, record_id, grant_id)
    report, indexes = verified(service, files), ", ".join(map(str, before))
    assert report.ok, report.steps
    assert set(given(files).values()) == {None}
    assert f"content erased by entry {first}: {indexes}" in report.steps[10].detail
    assert first in report.erased


def closes(files: Files, before: Mapping[int, Any], had: Mapping[str, bytes], gone: set[str]) -> int:
    """The entry that erased; what it closed is what lost its salt, and all the rest opens as before."""
    after, entries = given(files), entries_in(files)
    lost = {index for index in before if after[index] is None}
    assert lost
    assert len(lost) == len(gone & had.keys())
    assert all(after[index] == before[index] for index in before.keys() - lost)
    (erased,) = [index for index, one in entries.items() if one.kind is Kind.RECORD_ERASED]
    return erased


@ON_SQLITE
async def test_what_is_about_others_still_opens_after_one_person_was_erased(service: Service) -> None:
    """A duty toward a child is called about; the adult beside her is erased: the call's words open as they did."""
    await questioning.police(service)
    everyone = (person("p1"), person("c1", 9, Role.POTENTIAL_VICTIM, guardians=()))
    accepted = await service.accept(tip(*everyone, external_id="T-1"))
    record_id = accepted.stored.id
    for duty in await standing(service):
        await call(service, duty.id, instead=(None, None) if duty.recipient_id else (CPS, None))
    await service.deliver()
    grant_id = await opened(service, record_id)
    before = given(await exported(service, record_id, grant_id))
    for one in (ONE, SECOND_ERASER):
        await erase_subject(service, one, accepted.stored.persons[0])
    files = await exported(service, record_id, grant_id)
    after, entries = given(files), entries_in(files)
    assert verified(service, files).ok
    calls = [index for index in before if entries[index].kind is Kind.DUTY_CALL]
    assert calls
    assert [after[index] for index in calls] == [before[index] for index in calls]
    assert after[min(before)] is None


@ON_SQLITE
async def test_a_value_that_somebody_with_the_keys_exchanged_is_found(service: Service) -> None:
    """Other words sealed under the very same salt: the bundle is signed and proved, and refused at that entry."""
    record_id, _ = await a_whole_life(service, hers())
    grant_id = await opened(service, record_id)

    def exchange(tx: Transaction) -> None:
        key, place = service.desk.vault.key(tx, record_id), Place("grants", grant_id, "sealed")
        row = grant_rows.c.id == grant_id
        salt, _ = key.opening(tx.execute(sa.select(grant_rows.c.sealed).where(row)).scalar_one(), place)
        other = key.seal(b"because I said so", place, service.desk.vault.nonce(), salt)
        tx.execute(grant_rows.update().where(row).values(sealed=other))

    await service.database.write(exchange)
    files = await exported(service, record_id, grant_id)
    report = verified(service, files)
    (asked,) = [index for index, one in entries_in(files).items() if one.kind is Kind.GRANT_ASKED]
    assert report.where is not None
    assert (report.ok, report.where.file, report.where.entry) == (False, OPENINGS, asked)
    assert report.steps[10].detail == "the opening does not open what the entry commits to"


@ON_SQLITE
async def test_an_opening_changed_and_signed_anew_is_found(service: Service) -> None:
    """Whoever holds the log's key exchanges two openings, alters one, or leaves one out."""
    record_id, _ = await a_whole_life(service, hers())
    files = await exported(service, record_id, await opened(service, record_id))
    told = json.loads(files[OPENINGS])
    one, other, *rest = told["openings"]
    forged = spell(b"\x01" * 16, "commitment", "a fictional word")
    for items in (
        [one | {"opening": other["opening"]}, other | {"opening": one["opening"]}, *rest],
        [one | {"opening": forged}, other, *rest],
        [other, *rest],
    ):
        bare = {name: data for name, data in files.items() if name not in (MANIFEST, SIGNED)}
        changed = bind(bare | {OPENINGS: canonical(told | {"openings": items})}, record_id, service.signer)
        report = verified(service, changed)
        assert [step.number for step in report.steps if not step.ok] == [11]
        assert report.where is not None
        assert report.where.entry == one["index"]


@ON_SQLITE
async def test_a_house_that_threw_its_salts_away_is_found_out(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the test, and what was sealed before salts were kept: shown as without an opening, and no fault."""
    seal = DataKey.seal
    monkeypatch.setattr(DataKey, "seal", lambda key, plain, at, nonce, _=b"": seal(key, plain, at, nonce))
    record_id, _ = await a_whole_life(service, hers())
    files = await exported(service, record_id, await opened(service, record_id))
    report, values = verified(service, files), given(files)
    assert report.ok
    assert report.steps[10].detail == f"opened: 0; without an opening: {', '.join(map(str, values))}"


@ON_SQLITE
async def test_a_rationale_that_was_written_over_opens_the_last_answer_alone(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed was asked again twice: one rationale is kept, the last."""
    reviewers = Reviewers(service)
    await questioning.police(service)
    with monkeypatch.context() as broken:
        broken.setattr(assessing, "findings_for", lambda *_: 1 / 0)
        record_id = (await service.accept(tip(person(years=12)))).stored.id
        await reviewers.answer(reviewing.RETRY)
    service.clock.forward(seconds=1)
    await reviewers.answer(reviewing.RETRY)
    files = await exported(service, record_id, await opened(service, record_id))
    values, entries = given(files), entries_in(files)
    decided = [index for index, one in entries.items() if one.kind is Kind.REVIEW_DECIDED]
    assert len(decided) == 2
    assert [values[index] is None for index in decided] == [True, False]
    assert verified(service, files).ok


async def test_the_way_down_is_refused_while_there_is_a_seal_that_an_older_program_cannot_read(
    service: Service,
) -> None:
    """Nothing is lost by trying: the database is as it was, and everything opens."""
    record_id, _ = await a_whole_life(service, hers())
    with pytest.raises(RuntimeError, match="revisions has seals"):
        await migrations.migrate(service.url, "0029")
    files = await exported(service, record_id, await opened(service, record_id))
    assert verified(service, files).ok
