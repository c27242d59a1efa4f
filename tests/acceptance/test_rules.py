"""The rules of the decision, as stories: who is told, who is not, and by when (docs/decision-rules.md)."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.attacks.agreement import log_agrees_with_rows
from tests.support.fictional import BLAMELESS, agency, grant, person, tip
from tests.support.governing import COUNSEL, SECOND_COUNSEL
from tests.support.service import OPERATOR, START, Service, bundle
from tiprouter.domain.record import Guardian, Implicated, Jurisdiction
from tiprouter.domain.vocabulary import (
    Answer,
    CaseStatus,
    Grantor,
    JurisdictionReason,
    Outcome,
    RecipientKind,
    RecordKind,
)
from tiprouter.policy import bundle as bundles
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.files import shipped
from tiprouter.policy.gate.check import GateReport
from tiprouter.storage import decisions
from tiprouter.storage.decisions import Decision
from tiprouter.workflow import governing
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.governing import Wish
from tiprouter.workflow.intake import Accepted

LE, CPS, PROVIDER = RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION, RecipientKind.SERVICE_PROVIDER
RECEIVED = START - timedelta(minutes=5)
IN_AN_HOUR = RECEIVED + timedelta(hours=1)
NEXT_DAY = RECEIVED + timedelta(days=1)


async def enrolled(service: Service, *kinds: RecipientKind, places: Sequence[str] = ("US-TX",)) -> list[str]:
    """Register an agency of each kind; their ids."""
    return [(await service.enrol(agency(kind, *places))).recipient.id for kind in kinds]


async def standing(service: Service, accepted: Accepted) -> dict[tuple[str, str | None], Decision]:
    """The decisions that stand about a record, by the person's ref and the recipient's id."""
    stored = accepted.stored
    refs = {known: one.ref for known, one in zip(stored.persons, stored.record.persons, strict=True)}
    found = await service.database.read(lambda tx: decisions.current(tx, stored.id))
    return {(refs[one.person_id], one.recipient_id): one for one in found}


async def told_to_a_human(service: Service) -> set[tuple[str, str]]:
    """Why a human was told, and of what."""
    return {(row.reason, row.subject) for row in await service.rows("select reason, subject from notices")}


async def sent_to(service: Service) -> list[str]:
    """Deliver what is due; to whom it went."""
    return sorted([one.recipient_id for one in await service.deliver()])


def edited(folder: Path, file: str, *changes: tuple[str, str]) -> Bundle:
    """The shipped bundle with a few words of one file exchanged."""
    copy = Path(shutil.copytree(shipped("survivor-led"), folder / "edited"))
    text = (copy / file).read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (copy / file).write_text(text)
    return bundles.load(copy)


async def in_force(service: Service, other: Bundle) -> None:
    """Bring another bundle into force by two people's hands, as if the gate had passed it."""
    database, desk, active = service.database, service.desk, bundle().digest
    service.desk.library.keep(other)
    await database.write(lambda tx: governing.propose(tx, desk, COUNSEL, other))
    report = GateReport(other.name, other.digest, (), 0)
    await database.write(lambda tx: governing.record_check(tx, desk, COUNSEL, other.digest, report))
    wish = Wish(active, newly_discloses=True, accepted=True)
    await database.write(lambda tx: governing.approve(tx, desk, COUNSEL, other.digest, wish))
    await database.write(lambda tx: governing.approve(tx, desk, SECOND_COUNSEL, other.digest, wish))
    await database.write(lambda tx: governing.activate(tx, desk, OPERATOR, other.digest))


async def test_somebody_who_may_be_a_child_waits_on_the_dutys_clock_and_does_not_leave_at_its_end(
    service: Service,
) -> None:
    """Rule 2: unknown age is a review due an hour after receipt; when the hour is over, still nothing has left."""
    police, protection = await enrolled(service, LE, CPS)
    accepted = await service.accept(tip(person(years=None)))
    for now in (START, IN_AN_HOUR - timedelta(microseconds=1), IN_AN_HOUR, IN_AN_HOUR + timedelta(days=3)):
        service.clock.at = now
        await service.revisit()
        held = await standing(service, accepted)
        assert held.keys() == {("p1", police), ("p1", protection)}
        for one in held.values():
            assert (one.outcome, one.deadline, one.categories) == (Outcome.HOLD_REVIEW, IN_AN_HOUR, ())
            assert one.policies == ("review.unknown-age",)
            assert ("review.wanted", one.id) in await told_to_a_human(service)
        assert await service.deliver() == []
    assert await service.rows("select id from disclosures") == []
    await log_agrees_with_rows(service)


async def test_one_record_is_decided_otherwise_by_another_duty_table(service: Service, tmp_path: Path) -> None:
    """Rule 3: facts are the table's, the policies' texts are the same: who is named no more is told nothing more."""
    police, protection = await enrolled(service, LE, CPS)
    child = person(years=12, guardians=BLAMELESS)
    case = tip(child, kind=RecordKind.CASE, external_id="C-1", status=CaseStatus.ACTIVE)
    accepted = await service.put_case(case, None)
    before = await standing(service, accepted)
    assert {one.outcome for one in before.values()} == {Outcome.REPORT}
    names = ",child_maltreatment,,child_protection"
    texas = [f"{row}{names}" for row in ("us-tx,US-TX,anyone", "us-tx.professional,US-TX,mandated_reporter")]
    other = edited(tmp_path, "duties.csv", *((f"{row}|law_enforcement,", f"{row},") for row in texas))
    assert [name for name, text in other.files.items() if text != bundle().files[name]] == ["duties.csv"]
    await in_force(service, other)
    after = await standing(service, accepted)
    assert after["p1", protection].outcome is Outcome.REPORT
    assert (after["p1", police].outcome, after["p1", police].bundle) == (Outcome.WITHHOLD, other.digest)
    assert "guard.minor-authority" in after["p1", police].policies
    was, became = before["p1", police].facts, after["p1", police].facts
    assert was is not None
    assert became is not None
    assert {fact for fact in was if was[fact] != became[fact]} == {"duty", "rows", "basis"}
    assert await sent_to(service) == [protection]
    await log_agrees_with_rows(service)


async def test_on_tribal_land_its_authorities_are_told_by_the_row_of_all_tribal_land(service: Service) -> None:
    """Rule 5: the reservation's police and child protection within the hour; the police of Texas are nobody here."""
    reservation = "US-TRIBAL-EXAMPLE"
    police, protection = await enrolled(service, LE, CPS, places=(reservation,))
    await enrolled(service, LE, CPS)
    accepted = await service.accept(
        tip(person(years=12), jurisdictions=(Jurisdiction(reservation, JurisdictionReason.FOUND),))
    )
    found = await standing(service, accepted)
    assert found.keys() == {("p1", police), ("p1", protection)}
    for one in found.values():
        assert (one.outcome, one.deadline) == (Outcome.REPORT, IN_AN_HOUR)
        assert [name for name in one.policies if name.startswith("duty.")] == ["duty.us-tribal"]
    assert await sent_to(service) == sorted([police, protection])
    await log_agrees_with_rows(service)


async def test_a_federal_row_is_followed_by_a_hotline_that_it_binds(service: Service, tmp_path: Path) -> None:
    """Rule 5: toward a federal authority nothing, until the bundle says that the hotline is an official's."""
    (police,) = await enrolled(service, LE)
    (federal,) = await enrolled(service, RecipientKind.FEDERAL_AUTHORITY, places=("US",))
    child = person(years=12, guardians=BLAMELESS)
    case = tip(child, kind=RecordKind.CASE, external_id="C-1", status=CaseStatus.ACTIVE)
    accepted = await service.put_case(case, None)
    before = await standing(service, accepted)
    assert (before["p1", federal].outcome, before["p1", police].outcome) == (Outcome.WITHHOLD, Outcome.REPORT)
    assert "duty.us.federal-land" not in before["p1", police].policies
    bound = ('bound_as = ["anyone", "mandated_reporter"]', 'bound_as = ["anyone", "mandated_reporter", "official"]')
    await in_force(service, edited(tmp_path, "bundle.toml", bound))
    after = await standing(service, accepted)
    assert (after["p1", federal].outcome, after["p1", federal].deadline) == (Outcome.REPORT, NEXT_DAY)
    assert {"duty.us.trafficked-child", "duty.us.unaccompanied-child"} <= set(after["p1", federal].policies)
    assert {"duty.us-tx", "duty.us.federal-land"} <= set(after["p1", police].policies)
    assert await sent_to(service) == sorted([police, federal])
    await log_agrees_with_rows(service)


async def test_two_states_are_the_union_of_recipients_and_the_earliest_deadline(service: Service) -> None:
    """Rule 5: Connecticut within twelve hours, California at once by telephone, who serves both at the earlier one."""
    (connecticut,) = await enrolled(service, LE, places=("US-CT",))
    (california,) = await enrolled(service, CPS, places=("US-CA",))
    (everywhere,) = await enrolled(service, LE, places=("US",))
    places = (
        Jurisdiction("US-CT", JurisdictionReason.FOUND),
        Jurisdiction("US-CA", JurisdictionReason.HAPPENED),
    )
    accepted = await service.accept(tip(person(years=12, guardians=BLAMELESS), jurisdictions=places))
    found = await standing(service, accepted)
    told = {
        toward: (one.deadline, one.call, {name for name in one.policies if name.startswith("duty.")})
        for (_, toward), one in found.items()
        if toward is not None and one.outcome is Outcome.REPORT
    }
    assert told == {
        connecticut: (RECEIVED + timedelta(hours=12), False, {"duty.us-ct"}),
        california: (IN_AN_HOUR, True, {"duty.us-ca"}),
        everywhere: (IN_AN_HOUR, True, {"duty.us-ct", "duty.us-ca"}),
    }
    assert await sent_to(service) == sorted(told)
    assert {subject for reason, subject in await told_to_a_human(service) if reason == "duty.call"} == {
        found["p1", california].id,
        found["p1", everywhere].id,
    }
    await log_agrees_with_rows(service)


async def test_a_duty_row_that_goes_stale_turns_its_reports_into_reviews_at_that_moment(service: Service) -> None:
    """Rule 5: two years after nobody compared it again, and not a moment sooner, the child is a human's to decide."""
    (row,) = [one for one in bundle().protocol.rows["US-FL"] if one.id == "us-fl"]
    assert row.verified_on is not None
    day = row.verified_on + timedelta(days=730)
    stale = datetime(day.year, day.month, day.day, tzinfo=UTC)
    (protection,) = await enrolled(service, CPS, places=("US-FL", "US-GU"))
    service.clock.at = stale - timedelta(minutes=30)
    heard = {"signaled_at": service.clock.at, "received_at": service.clock.at}
    places = [(Jurisdiction(code, JurisdictionReason.FOUND),) for code in ("US-FL", "US-GU")]
    florida, guam = [
        await service.accept(tip(person(f"p{n}", 12), external_id=f"T-{n}", jurisdictions=place, **heard))
        for n, place in enumerate(places)
    ]
    due = heard["received_at"] + timedelta(hours=1)
    service.clock.at = stale - timedelta(microseconds=1)
    assert await service.revisit() == 0
    assert (await standing(service, florida))["p0", protection].outcome is Outcome.REPORT
    service.clock.at = stale
    await service.revisit()
    for accepted, ref in ((florida, "p0"), (guam, "p1")):
        held = (await standing(service, accepted))[ref, protection]
        assert (held.outcome, held.deadline) == (Outcome.HOLD_REVIEW, due)
        assert held.policies == ("review.unsourced-duty",)
        assert ("review.wanted", held.id) in await told_to_a_human(service)
    assert await service.deliver() == []
    await log_agrees_with_rows(service)


async def test_a_childs_consent_needs_the_child_and_a_guardian_whom_nothing_implicates(service: Service) -> None:
    """Rule 8: neither a guardian who is or may be implicated, nor the child alone; nor is a provider the police."""
    protection, police, provider = await enrolled(service, CPS, LE, PROVIDER, places=("US-FL",))
    doubted = (Guardian("parent", Answer.UNKNOWN),)
    consents = {
        "implicated": (BLAMELESS, grant(PROVIDER, grantor=Grantor.BOTH, guardian_implicated=Answer.YES)),
        "perhaps": (BLAMELESS, grant(PROVIDER, grantor=Grantor.BOTH, guardian_implicated=Answer.UNKNOWN)),
        "doubted": (doubted, grant(PROVIDER, grantor=Grantor.BOTH)),
        "guardian": (BLAMELESS, grant(PROVIDER, grantor=Grantor.GUARDIAN)),
        "alone": (BLAMELESS, grant(PROVIDER)),
        "both": (BLAMELESS, grant(PROVIDER, grantor=Grantor.BOTH)),
    }
    for ref, (guardians, consent) in consents.items():
        child = person(ref, 15, guardians=guardians)
        places = (Jurisdiction("US-FL", JurisdictionReason.FOUND),)
        accepted = await service.accept(tip(child, external_id=f"T-{ref}", jurisdictions=places))
        await service.consent(Whose(person_id=accepted.stored.persons[0]), consent)
        found = await standing(service, accepted)
        expected = Outcome.DISCLOSE if ref == "both" else Outcome.WITHHOLD
        assert found[ref, provider].outcome is expected, ref
        assert ("guard.provider-consent" in found[ref, provider].policies) == (ref != "both")
        assert found[ref, protection].outcome is Outcome.REPORT
        assert found[ref, police].outcome is Outcome.WITHHOLD
        assert "guard.minor-authority" in found[ref, police].policies
    assert await sent_to(service) == sorted([provider, *[protection] * len(consents)])
    await log_agrees_with_rows(service)


async def test_police_whom_the_record_accuses_get_nothing_and_the_duty_goes_on_to_the_others(service: Service) -> None:
    """Rule 9: child protection and other police get the report; of the accused ones it is said why, to a human too."""
    accused, police, protection = await enrolled(service, LE, LE, CPS)
    accepted = await service.accept(
        tip(person(years=12, guardians=BLAMELESS), implicated=(Implicated(recipient_id=accused),))
    )
    found = await standing(service, accepted)
    blocked = found["p1", accused]
    assert (blocked.outcome, blocked.categories, blocked.deadline) == (Outcome.DUTY_BLOCKED, (), IN_AN_HOUR)
    assert {"guard.implicated", "core.child-report", "duty.us-tx"} <= set(blocked.policies)
    assert await told_to_a_human(service) == {("duty.blocked", blocked.id)}
    assert {found["p1", one].outcome for one in (police, protection)} == {Outcome.REPORT}
    assert await sent_to(service) == sorted([police, protection])
    assert accused not in [row[0] for row in await service.rows("select recipient_id from disclosures")]
    await log_agrees_with_rows(service)
