"""History under a policy: what was decided is made again, what would be is told, and nothing is changed by it."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.fictional import DANGER, SECRET, agency, grant, person, tip
from tests.support.long_history import lengthen
from tests.support.service import OPERATOR, START, Service, bundle
from tiprouter.domain.record import Jurisdiction, Signaler
from tiprouter.domain.vocabulary import JurisdictionReason, Outcome, RecipientKind, Relationship, Role
from tiprouter.policy import bundle as bundles
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.engine import Engine
from tiprouter.policy.files import shipped
from tiprouter.policy.gate.check import GateReport
from tiprouter.policy.library import Library
from tiprouter.workflow import governing
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.governing import Wish
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.history import Replayed, replay
from tiprouter.workflow.simulation import Shift, Simulated, simulate

LE, CPS, PROVIDER = RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION, RecipientKind.SERVICE_PROVIDER
THIRD_PARTY = Signaler(Relationship.FAMILY_FRIEND, ref="p2")
LOST = "log: no entry says that it was made"


async def replayed(service: Service, since: datetime | None = None, page_size: int = 1_000) -> Replayed:
    """Make everything again, and see that nothing was changed by it."""
    before = await contents(service)
    result = await replay(service.database, service.desk, since, page_size=page_size)
    assert await contents(service) == before
    return result


async def simulated(
    service: Service, other: Bundle, since: datetime | None = None, *, every: bool = False
) -> Simulated:
    """Ask another bundle, and see that nothing was changed by it."""
    before = await contents(service)
    result = await simulate(service.database, service.desk, Engine(other), since, every=every)
    assert await contents(service) == before
    return result


async def contents(service: Service) -> list[object]:
    """All that a look at history might touch."""
    tables = ("decisions", "outbox", "log_entries", "notices", "deliveries", "bundles", "records")
    return [sorted(map(str, await service.rows(f"select * from {table}"))) for table in tables]  # noqa: S608 - our words


async def tamper(service: Service, sql: str) -> None:
    """What somebody with access to the database, and not to us, might do."""
    await service.database.write(lambda tx: tx.exec_driver_sql(sql) and None)


async def change(service: Service, decision: str, columns: str) -> None:
    """Change one decision after the fact."""
    await tamper(service, f"update decisions set {columns} where id = '{decision}'")  # noqa: S608 - our own words


async def story(service: Service) -> str:
    """A short history with one of each: consent given and withdrawn, a child, danger, an unknown age, no recipient."""
    await service.accept(tip(person("k", years=11), external_id="T-0"))
    for kind in (LE, CPS, PROVIDER):
        await service.enrol(agency(kind))
    adult = await service.accept(tip(external_id="T-1"))
    service.clock.forward(minutes=1)
    given = await service.consent(Whose(person_id=adult.stored.persons[0]), grant(LE, PROVIDER))
    await service.accept(tip(person("c", years=14), external_id="T-2"))
    await service.accept(tip(person("v"), external_id="T-3", violence=DANGER))
    await service.accept(tip(person("u", years=None), external_id="T-4"))
    await third_party(service, "T-5")
    service.clock.forward(minutes=1)
    await service.withdraw(given.consent.id)
    rows = await service.rows("select id from decisions where outcome = 'DISCLOSE' order by id")
    return str(rows[0][0])


async def third_party(service: Service, external_id: str) -> None:
    """A friend's tip about an adult who was not asked."""
    others = (person("a"), person("p2", role=Role.SIGNALER))
    await service.accept(tip(*others, external_id=external_id, signaler=THIRD_PARTY))


async def activate(service: Service, other: Bundle) -> None:
    """Bring another bundle into force, by the hands of two."""
    passed = GateReport(other.name, other.digest, (), 0)
    wish = Wish(bundle().digest, newly_discloses=True, accepted=True)
    first, second = Actor("cal_first", "operator"), Actor("cal_second", "operator")
    database, desk = service.database, service.desk
    await database.write(lambda tx: governing.propose(tx, desk, first, other))
    await database.write(lambda tx: governing.record_check(tx, desk, first, other.digest, passed))
    await database.write(lambda tx: governing.approve(tx, desk, first, other.digest, wish))
    await database.write(lambda tx: governing.approve(tx, desk, second, other.digest, wish))
    await database.write(lambda tx: governing.activate(tx, desk, OPERATOR, other.digest))


def shift_of(result: Simulated, kind: str) -> Shift:
    """One kind of change."""
    return next(shift for shift in result.shifts if shift.kind == kind)


async def test_every_decision_is_made_again_and_agrees_with_the_log(service: Service) -> None:
    """All are the same, before the sequencer took their entries and after, in one page or in many."""
    await story(service)
    ((count,),) = await service.rows("select count(*) from decisions")
    for page_size in (1_000, 2):
        result = await replayed(service, page_size=page_size)
        assert result.ok, result.differences
        assert (result.same, result.without_facts, result.log.compared) == (count - 1, 1, count)
        assert (result.deadline_not_comparable, result.unknown_bundle) == (0, 0)
        await service.check_house()
    later = await replayed(service, START + timedelta(minutes=2), page_size=1)
    ((withdrawn,),) = await service.rows("select count(*) from decisions where cause = 'consent.withdrawn'")
    assert later.ok
    assert 0 < later.replayed == later.log.compared == withdrawn


async def test_each_decision_is_made_again_under_the_bundle_of_its_day(service: Service) -> None:
    """After another bundle took the first one's place both decide their own, and neither the other's."""
    await story(service)
    await activate(service, bundle("tip-sharing"))
    await third_party(service, "T-6")
    digests = await service.rows("select bundle, count(*) from decisions group by bundle")
    assert {digest for digest, _ in digests} == {bundle().digest, bundle("tip-sharing").digest}
    result = await replayed(service)
    assert result.ok, result.differences
    forgetful = replace(service.desk, library=Library())
    assert (await replay(service.database, forgetful)).ok
    known = dict(map(tuple, digests))[bundle("tip-sharing").digest]
    await tamper(service, f"update decisions set bundle = '{bundle().digest}'")  # noqa: S608 - a digest
    changed = await replayed(service)
    assert changed.different > 0
    assert changed.log.says_otherwise == known


CHANGES = (
    ("outcome = 'WITHHOLD'", "outcome: stored WITHHOLD, made again DISCLOSE", "outcome = 'DISCLOSE'"),
    ("review = true", "review: stored true, made again false", "review = false"),
    ("call = true", "call: stored true, made again false", "call = false"),
    (
        "deadline = deadline + 60000000",
        "deadline: stored 2026-03-03T14:56:00.000Z, made again 2026-03-03T14:55:00.000Z",
        "deadline = deadline - 60000000",
    ),
    ("urgency = 'imminent'", "urgency: stored imminent, made again standard", "urgency = 'standard'"),
    ("written_by = 60000000", "written report: stored 1970-01-01T00:01:00.000Z, made again none", "written_by = null"),
    ("errors = '[\"no-decision\"]'", "errors: stored no-decision, made again none", "errors = '[]'"),
    ("notice = 'required'", "notice: stored required, made again not_required", "notice = 'not_required'"),
    (
        "policies = '[\"default-deny\"]'",
        "policies: stored default-deny, made again core.consent",
        "policies = policies",
    ),
    ("categories = '[\"incident\"]'", "categories: stored incident, made again incident location", ""),
)


async def test_a_changed_decision_is_found(service: Service) -> None:
    """Whatever was changed after the fact is told in words with the decision's id, and nobody's data."""
    chosen = await story(service)
    for columns, told, undo in CHANGES:
        await change(service, chosen, columns)
        result = await replayed(service)
        assert (result.different, result.ok) == (1, False), columns
        first = result.differences[0]
        assert first.decision == chosen
        assert any(what.startswith(told) for what in first.what), first
        assert first.situation.startswith("person: potential victim; age: adult; recipient: ")
        assert SECRET not in str(result)
        if undo:
            await change(service, chosen, undo)


async def test_a_report_in_writing_is_due_by_the_business_days_of_its_place(service: Service, tmp_path: Path) -> None:
    """Saturday in UTC is Friday evening in Minnesota: whose day counts is not stored, and yet a change is found."""
    folder = Path(shutil.copytree(shipped("survivor-led"), tmp_path / "other"))
    table = (folder / "duties.csv").read_text().splitlines(keepends=True)
    rows = [line.replace(",any,3bd,", ",telephone,3bd,") if line.startswith("us-mn,") else line for line in table]
    (folder / "duties.csv").write_text("".join(rows))
    await activate(service, service.desk.library.keep(bundles.load(folder)).bundle)
    await service.enrol(agency(CPS, "US-MN"))
    service.clock.at = datetime(2026, 3, 14, 6, tzinfo=UTC)
    place = Jurisdiction("US-MN", JurisdictionReason.FOUND)
    accepted = await service.accept(tip(person(years=12), received_at=service.clock.at, jurisdictions=(place,)))
    (decision,) = (one for one in accepted.assessed.decisions if one.recipient_id is not None)
    assert decision.written_by == datetime(2026, 3, 18, 6, tzinfo=UTC)
    assert (await replayed(service)).ok
    await change(service, decision.id, "written_by = written_by + 172800000000")
    (found,) = (await replayed(service)).differences
    assert found.what[0].startswith("written report: stored 2026-03-20T06:00:00.000Z, made again 2026-03-1")


async def test_changed_facts_are_found_by_their_commitment(service: Service) -> None:
    """Facts that lead to the same decision are still not those that the log committed to; nor are no facts at all."""
    chosen = await story(service)
    stored = {
        one: json.loads(facts) for one, facts in await service.rows("select id, cast(facts as text) from decisions")
    }
    other = json.dumps(stored[chosen] | {"perceived": "relayed"})
    await change(service, chosen, f"facts = '{other}'")
    result = await replayed(service)
    assert (result.different, result.log.commitment_differs, result.log.says_otherwise) == (0, 1, 0)
    assert result.differences[0].what == ("log: its entry commits to other facts",)
    for broken, why in (("null", "none, and yet something leaves"), ('{"age": "old"}', "they cannot be read")):
        await change(service, chosen, f"facts = '{broken}', salt = 'x'")
        result = await replayed(service)
        assert (result.different, result.log.commitment_differs) == (1, 1)
        assert result.differences[0].what == (f"facts: {why}",)


async def test_a_decision_without_an_entry_and_an_entry_without_a_decision_are_found(service: Service) -> None:
    """A row that was renamed is both; what the log says otherwise is found even where it is not made again."""
    await story(service)
    await service.check_house()
    ((blocked,),) = await service.rows("select id from decisions where facts is null or cast(facts as text) = 'null'")
    for waiting in ("duties", "reviews"):
        await tamper(service, f"delete from {waiting}")  # noqa: S608 - they would hold on to the decision's id
    await tamper(service, f"insert into log_told values ('{blocked}X')")  # noqa: S608 - our id; else it is refused
    await change(service, blocked, f"cause = 'case.revised', id = '{blocked}X'")
    result = await replayed(service)
    assert (result.different, result.log.not_logged, result.log.lost) == (0, 1, 1)
    assert [(one.decision, one.what) for one in result.differences] == [(f"{blocked}X", (LOST,))]
    assert (await replayed(service, START + timedelta(seconds=1))).ok
    await change(service, f"{blocked}X", f"id = '{blocked}'")
    result = await replayed(service)
    assert (result.log.says_otherwise, result.log.not_logged, result.log.lost) == (1, 0, 0)
    assert result.differences[0].what == ("log: its entry says another cause",)


async def test_what_cannot_be_compared_is_counted(service: Service) -> None:
    """Decisions older than the moment of receipt, and those under a bundle that is not stored, are no differences."""
    await story(service)
    await tamper(service, "update decisions set received_at = null, duty_within = null, call = false")
    result = await replayed(service)
    assert result.ok, result.differences
    assert result.deadline_not_comparable == result.same > 0
    await tamper(service, "update bundles set digest = 'another'")
    gone = await replay(service.database, replace(service.desk, library=Library()))
    assert (gone.same, gone.different, gone.unknown_bundle) == (0, 0, result.same)


async def test_a_long_history_is_made_again(service: Service) -> None:
    """Many distinct facts, several pages of decisions and of entries out of step with each other."""
    await lengthen(service, 300, 60)
    await service.sequencer.drain()
    result = await replayed(service, page_size=70)
    assert result.ok, result.differences
    assert (result.same, result.log.compared) == (300, 300)


async def test_another_bundle_tells_what_it_would_newly_disclose(service: Service) -> None:
    """A third party's tip would go to the police, minimised; the matrix, the kinds and an example say so."""
    await story(service)
    found = await simulated(service, bundle("tip-sharing"))
    assert found.discloses
    assert found.without_facts == 1
    newly = shift_of(found, "newly disclosed")
    assert (newly.decisions, newly.recipients) == (1, {"law_enforcement": 1})
    (example,) = newly.examples
    assert (example.before, example.after) == (Outcome.WITHHOLD, Outcome.DISCLOSE)
    assert (example.gained, example.lost) == (("incident", "location"), ())
    assert "signaled by: family friend" in example.situation
    assert found.outcomes[Outcome.WITHHOLD, Outcome.DISCLOSE] == 1
    assert sum(found.outcomes.values()) == found.simulated
    assert (found.elsewhere.parts, found.elsewhere.decisions, found.elsewhere.rows_left_out) == ((), 0, 0)
    assert SECRET not in str(found)


async def test_only_what_stood_since_then_is_asked_about(service: Service) -> None:
    """One that was replaced counts when every decision is asked about; one from before counts never."""
    await story(service)
    ((count,),) = await service.rows("select count(*) from decisions")
    stood = await simulated(service, bundle())
    every = await simulated(service, bundle(), every=True)
    latest = await service.rows("select distinct record_id, person_id, recipient_id from decisions")
    assert (stood.simulated, every.simulated) == (len(latest) - 1, count - 1)
    assert stood.simulated < every.simulated
    assert stood.shifts == every.shifts == ()
    # Of two decisions of one millisecond the later one may have the smaller id: the one that is current stands.
    assert (Outcome.DISCLOSE, Outcome.DISCLOSE) not in stood.outcomes
    withdrawn = await service.rows("select max(id) from decisions where cause = 'consent.withdrawn'")
    await tamper(service, "insert into log_told (subject) values ('dec_00000000000000000000000000')")
    await change(service, withdrawn[0][0], "id = 'dec_00000000000000000000000000'")
    assert (await simulated(service, bundle())).outcomes == stood.outcomes
    later = await simulated(service, bundle(), START + timedelta(minutes=1, seconds=30), every=True)
    ((count,),) = await service.rows("select count(*) from decisions where cause = 'consent.withdrawn'")
    assert later.simulated == count - 1


async def test_what_a_bundle_takes_back_is_told(service: Service) -> None:
    """From the sharing bundle to the other: what went to the police would be withheld, and nothing newly leaves."""
    await activate(service, bundle("tip-sharing"))
    await story(service)
    found = await simulated(service, bundle())
    assert not found.discloses
    lost = shift_of(found, "newly withheld")
    assert (lost.decisions, lost.examples[0].lost) == (1, ("incident", "location"))


async def test_other_tables_are_told_with_what_rests_on_them(service: Service, tmp_path: Path) -> None:
    """Violence that is fresh for longer, a duty table without Texas: facts were derived otherwise, and it says so."""
    await story(service)
    folder = Path(shutil.copytree(shipped("survivor-led"), tmp_path / "other"))
    table = (folder / "duties.csv").read_text().splitlines(keepends=True)
    (folder / "duties.csv").write_text("".join(line for line in table if not line.startswith("us-tx,")))
    settings = (folder / "bundle.toml").read_text()
    hours = next(line for line in settings.splitlines() if line.startswith("violence_fresh_hours"))
    (folder / "bundle.toml").write_text(settings.replace(hours, "violence_fresh_hours = 100"))
    found = await simulated(service, bundles.load(folder))
    assert set(found.elsewhere.parts) == {"the duty rows", "how long violence is fresh"}
    # A child, an unknown age and danger toward three recipients each; two adults toward two authorities each.
    assert found.elsewhere.decisions == 13
    assert found.elsewhere.rows_left_out > 0
    assert (Outcome.REPORT, Outcome.HOLD_ERROR) not in found.outcomes
    await tamper(service, "update bundles set digest = 'another'")
    forgetful = replace(service.desk, library=Library())
    unknown = await simulate(service.database, forgetful, Engine(bundle()), None)
    assert (unknown.elsewhere.unknown, unknown.elsewhere.decisions) == (found.simulated, 13)


async def test_a_simulation_of_a_period_asks_about_what_stood_at_its_end(service: Service) -> None:
    """Later decisions are not asked about, and what they replaced is: two bundles are compared over one period."""
    await service.enrol(agency(LE))
    first = await service.accept(tip(external_id="T-1"))
    service.clock.forward(minutes=1)
    middle = service.clock.at
    whole = await simulate(service.database, service.desk, Engine(bundle("tip-sharing")), None)
    service.clock.forward(minutes=1)
    await service.consent(Whose(person_id=first.stored.persons[0]), grant(LE))
    await service.accept(tip(external_id="T-2"))
    for other in (bundle("tip-sharing"), bundle()):
        then = await simulate(service.database, service.desk, Engine(other), None, until=middle)
        assert then.simulated == whole.simulated > 0
        assert {before for before, _ in then.outcomes} == {before for before, _ in whole.outcomes}
    now = await simulate(service.database, service.desk, Engine(bundle()), None)
    assert now.simulated > whole.simulated
    later = await simulate(
        service.database, service.desk, Engine(bundle()), middle, until=service.clock.at + timedelta(seconds=1)
    )
    assert later.simulated == now.simulated
