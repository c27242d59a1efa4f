"""Something breaks, and in breaking lets something out: a failure must send nothing, tell a human, and stay alone."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.attacks.agreement import log_agrees_with_rows
from tests.support.fictional import BLAMELESS, SECRET, agency, grant, person, tip
from tests.support.service import OPERATOR, START, Service
from tiprouter.domain import redaction
from tiprouter.domain.vocabulary import Outcome, RecipientKind
from tiprouter.policy.engine import Engine
from tiprouter.workflow import enrolment
from tiprouter.workflow.consenting import Whose

LE, CPS = RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION


class BrokenError(Exception):
    """A defect, with a text that quotes somebody."""

    def __init__(self) -> None:
        super().__init__(SECRET)


async def reasons(service: Service) -> set[str]:
    """What a human was told."""
    return {row.reason for row in await service.rows("select reason from notices")}


def _raise(*_: object, **__: object) -> Any:  # noqa: ANN401 - it never returns
    raise BrokenError


@pytest.mark.parametrize("broken", ["policy", "redaction"])
async def test_a_defect_while_a_tip_is_decided(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    """The tip is accepted, held for an error toward everyone, a human is told, and the log does not quote the error."""
    await service.enrol(agency(LE))
    if broken == "policy":
        monkeypatch.setattr(Engine, "rule", _raise)
    else:
        monkeypatch.setattr(redaction, "told", _raise)
    accepted = await service.accept(tip(person(years=12, guardians=BLAMELESS)))
    assert [one.outcome for one in accepted.assessed.decisions] == [Outcome.HOLD_ERROR]
    assert await service.claim() == []
    assert await service.rows("select id from disclosures") == []
    assert await reasons(service) == {"decision.error"}
    monkeypatch.undo()
    assert await service.claim() == []
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err
    await log_agrees_with_rows(service)


@pytest.mark.parametrize("broken", ["policy", "redaction"])
async def test_a_defect_toward_one_agency_leaves_the_others_theirs(
    service: Service, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """Two authorities are owed a report; deciding about one of them breaks: the other one gets its report."""
    police = (await service.enrol(agency(LE))).recipient.id
    protection = (await service.enrol(agency(CPS))).recipient.id
    rule, told = Engine.rule, redaction.told

    def rule_breaks(engine: Engine, facts: Any) -> Any:  # noqa: ANN401 - handed through
        return _raise() if facts.recipient_kind is LE else rule(engine, facts)

    def redact_breaks(record: Any, verdicts: Any, recipient: Any) -> Any:  # noqa: ANN401 - handed through
        return _raise() if recipient.kind is LE else told(record, verdicts, recipient)

    if broken == "policy":
        monkeypatch.setattr(Engine, "rule", rule_breaks)
    else:
        monkeypatch.setattr(redaction, "told", redact_breaks)
    accepted = await service.accept(tip(person(years=12, guardians=BLAMELESS)))
    outcomes = {one.recipient_id: one.outcome for one in accepted.assessed.decisions}
    assert outcomes == {police: Outcome.HOLD_ERROR, protection: Outcome.REPORT}
    assert [ready.recipient_id for ready in await service.deliver()] == [protection]
    assert "decision.error" in await reasons(service)
    await log_agrees_with_rows(service)


async def test_a_defect_while_deciding_again_before_an_attempt(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was queued on good facts is decided again and that breaks: it is not sent on the old decision."""
    enrolled = await service.enrol(agency(LE))
    await service.accept(tip(person(years=12, guardians=BLAMELESS)))
    changed = replace(enrolled.recipient, name="Example renamed")
    await service.database.write(lambda tx: enrolment.change(tx, service.desk, OPERATOR, changed, 1))
    monkeypatch.setattr(Engine, "rule", _raise)
    assert await service.claim() == []
    assert "decision.error" in await reasons(service)
    await log_agrees_with_rows(service)


Damage = Callable[[Service, str], Awaitable[None]]


async def write(service: Service, sql: str) -> None:
    """Change the database by hand, as a foreigner would."""
    await service.database.write(lambda tx: tx.exec_driver_sql(sql).close())


async def _tamper(service: Service, record_id: str) -> None:
    ((sealed,),) = await service.rows(f"select sealed from disclosures where record_id = '{record_id}'")  # noqa: S608
    changed = bytes(sealed)[:-1] + bytes([bytes(sealed)[-1] ^ 1])
    literal = f"x'{changed.hex()}'" if service.url.startswith("sqlite") else f"'\\x{changed.hex()}'::bytea"
    await write(service, f"update disclosures set sealed = {literal} where record_id = '{record_id}'")  # noqa: S608


async def _change_digest(service: Service, record_id: str) -> None:
    await write(service, f"update disclosures set digest = '{'0' * 64}' where record_id = '{record_id}'")  # noqa: S608


async def _destroy_key(service: Service, record_id: str) -> None:
    await write(service, f"delete from data_keys where owner = '{record_id}'")  # noqa: S608


DAMAGES = {"payload": _tamper, "digest": _change_digest, "data-key": _destroy_key}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damage_to_one_record_stops_that_record_alone(service: Service, damage: str) -> None:
    """A payload, its digest or its key is changed in the database: it is held, a human is told, the next one leaves."""
    await service.enrol(agency(LE))
    bad = (await service.accept(tip(person("p1", years=12, guardians=BLAMELESS), external_id="T-1"))).stored.id
    good = (await service.accept(tip(person("p2", years=12, guardians=BLAMELESS), external_id="T-2"))).stored.id
    await DAMAGES[damage](service, bad)
    for _ in range(3):
        assert {ready.record_id for ready in await service.deliver()} <= {good}
        service.clock.forward(minutes=2)
    assert await service.rows("select distinct delivery_id from attempts") == await service.rows(
        f"select id from deliveries where record_id = '{good}'"  # noqa: S608
    )
    assert await reasons(service) == {"delivery.held"}
    await log_agrees_with_rows(service)


@pytest.mark.parametrize("table", ["signing_keys", "data_keys"])
async def test_an_agency_whose_signing_key_is_gone_is_not_sent_anything_unsigned(service: Service, table: str) -> None:
    """Its deliveries are held and a human is told; the other authority's report leaves, signed."""
    police = (await service.enrol(agency(LE))).recipient.id
    protection = (await service.enrol(agency(CPS))).recipient.id
    await service.accept(tip(person(years=12, guardians=BLAMELESS)))
    column = "recipient_id" if table == "signing_keys" else "owner"
    await write(service, f"delete from {table} where {column} = '{police}'")  # noqa: S608 - our own names
    ready = await service.deliver()
    assert [one.recipient_id for one in ready] == [protection]
    assert all(one.envelope.secrets for one in ready)
    service.clock.forward(minutes=2)
    assert await service.deliver() == []
    assert await reasons(service) == {"delivery.held"}
    await log_agrees_with_rows(service)


async def test_a_key_that_is_destroyed_in_flight_stops_nobody_else(service: Service) -> None:
    """The worker died, the record was erased: ending the lease needs no key, and the other deliveries go on."""
    await service.enrol(agency(LE))
    erased = (await service.accept(tip(person("p1", years=12, guardians=BLAMELESS), external_id="T-1"))).stored.id
    assert len(await service.claim()) == 1
    await _destroy_key(service, erased)
    other = (await service.accept(tip(person("p2", years=12, guardians=BLAMELESS), external_id="T-2"))).stored.id
    service.clock.forward(seconds=30)
    assert [ready.record_id for ready in await service.deliver()] == [other]
    assert "delivery.held" in await reasons(service)
    await log_agrees_with_rows(service)


async def test_an_answer_that_comes_after_the_key_was_destroyed_is_still_recorded(service: Service) -> None:
    """The agency's words cannot be sealed any more and are forgotten; that it was delivered is not."""
    await service.enrol(agency(LE))
    erased = (await service.accept(tip(person(years=12, guardians=BLAMELESS)))).stored.id
    (flying,) = await service.claim()
    await _destroy_key(service, erased)
    assert await service.finish(flying) == "delivered"
    await log_agrees_with_rows(service)


async def test_a_held_delivery_leaves_no_entries_of_what_was_undone(service: Service) -> None:
    """Deciding again logs new decisions, then the payload turns out damaged: rows and entries are undone together."""
    await service.enrol(agency(LE, agreement_until=START + timedelta(hours=1)))
    record_id = (await service.accept(tip(person(years=12, guardians=BLAMELESS)))).stored.id
    before = await service.rows("select id from decisions order by id")
    # The end of the agreement changes a fact but nothing that a report to the police says.
    service.clock.at = START + timedelta(hours=1)
    await _change_digest(service, record_id)
    assert await service.claim() == []
    assert "delivery.held" in await reasons(service)
    assert await service.rows("select id from decisions order by id") == before
    await log_agrees_with_rows(service)


async def test_a_tip_about_somebody_whose_consents_cannot_be_read_is_kept(service: Service) -> None:
    """The person's own key is gone: the tip is accepted and held, never lost, and nothing of it leaves."""
    await service.enrol(agency(LE))
    given = await service.consent(Whose(source="hotline-example", ref="p1"), grant(LE))
    await write(service, f"delete from data_keys where owner = '{given.consent.person_id}'")  # noqa: S608
    accepted = await service.accept(tip(person("p1")))
    assert {one.outcome for one in accepted.assessed.decisions} == {Outcome.HOLD_ERROR}
    assert await service.claim() == []
    assert await reasons(service) == {"decision.error"}
    await log_agrees_with_rows(service)


async def test_what_a_recipient_gets_is_signed_over_the_bytes_that_were_decided(service: Service) -> None:
    """The control of this file: undamaged, the envelope holds the stored payload and a key to sign it with."""
    await service.enrol(agency(LE))
    await service.accept(tip(person(years=12, guardians=BLAMELESS)))
    (ready,) = await service.deliver()
    assert json.loads(ready.envelope.body.body)["type"] == "disclosure.made"
    assert ready.envelope.secrets
    assert ready.envelope.timestamp == int(START.timestamp() + timedelta(0).total_seconds())
    await log_agrees_with_rows(service)
