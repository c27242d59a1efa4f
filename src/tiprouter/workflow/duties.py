"""What is done with every duty, whatever happened to it?

1. A duty is stored with the moment at which somebody must look at it, and its change leaves an entry.
2. Whatever evidence arrives, all duties about the same person are looked at: parts that it closed are closed for them.
3. The record is locked before its duties are read, here as everywhere (`storage/duties.py`).
"""

from collections.abc import Sequence

from tiprouter.audit.kinds import Kind
from tiprouter.domain.discharge import EvidenceKind, StandingDuty, discharge, moments, settle
from tiprouter.errors import NotFoundError
from tiprouter.storage import duties, records
from tiprouter.workflow.happening import Happening, moment


def held(it: Happening, record_id: str) -> list[StandingDuty]:
    """A record's current duties, the record locked (rule 3)."""
    records.epochs(it.tx, (record_id,))
    return duties.of_record(it.tx, record_id)


def held_by_id(it: Happening, duty_id: str) -> StandingDuty:
    """One duty, its record locked (rule 3). Raises `NotFoundError`."""
    found = duties.load(it.tx, duty_id)
    if found is None:
        raise NotFoundError
    records.epochs(it.tx, (found.record_id,))
    again = duties.load(it.tx, duty_id)
    if again is None:
        raise NotFoundError
    return again


def keep(it: Happening, duty: StandingDuty) -> None:
    """Store what became of a duty (rule 1)."""
    duties.save(it.tx, duty, min(moments(duty), default=None) if duty.current else None)


def prove(it: Happening, duty: StandingDuty, by: EvidenceKind, evidence_id: str) -> StandingDuty:
    """Discharge a duty by its own evidence, and leave the entry."""
    return _ended(it, discharge(duty, by, evidence_id, it.now))


def settle_others(it: Happening, record_id: str, persons: Sequence[str]) -> None:
    """Discharge whatever has no part left open about these persons (rule 2)."""
    current = duties.of_record(it.tx, record_id)
    calls = duties.calls_instead(it.tx, record_id)
    for person_id in persons:
        about = [duty for duty in current if duty.person_id == person_id]
        for duty in settle(about, calls.get(person_id, {}), it.now):
            _ended(it, duty)


def about(duty: StandingDuty) -> dict[str, str | None]:
    """What every entry about a duty says of it."""
    return {
        "duty": duty.id,
        "record": duty.record_id,
        "person": duty.person_id,
        "recipient": duty.recipient_id,
        "decision": duty.decision_id,
    }


def _ended(it: Happening, duty: StandingDuty) -> StandingDuty:
    keep(it, duty)
    it.log(
        Kind.DUTY_DISCHARGED,
        about(duty)
        | {
            "by": None if duty.discharged_by is None else duty.discharged_by.value,
            "evidence": duty.evidence_id,
            "deadline": moment(duty.deadline),
            "in_time": it.now <= duty.deadline,
            "written_by": moment(duty.written_by) if duty.owes_writing else None,
        },
    )
    return duty
