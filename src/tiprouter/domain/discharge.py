"""When is a duty done, and until when?

1. By evidence alone: the agency's own acknowledgement, or a person's call that reached somebody. What was delivered is
   none, and where the law wants a call an acknowledgement is none (decision rule 10).
2. An accused agency's word is none. Another of a kind that the part names is called in its place, as where no agency
   is registered (decision rule 9).
3. A duty is parts that must all be told, each by any of its kinds. Evidence toward one agency closes its parts for
   everybody who shares them: a duty with no part left open is discharged elsewhere, one with any other part is not.
4. A clock never starts anew: deadlines only move earlier, from a duty to the next one toward the same agency too.
5. A report in writing has its own clock and its own evidence. It is owed to whom the report was made: a duty discharged
   elsewhere owes none. Where the law wants one after an oral report, the call starts owing it.
6. Where the law wants a report in writing if the agency asks, its request starts that clock, in the law's own days. A
   duty that takes this one's place owes it on until it was written. Where the law gives no time, no clock runs.
7. A human hears of a duty when four fifths of its span have passed, and when all of it has.

Counting from receipt where a statute counts from the report is never later than the law (`domain/duty.py`, rule 5).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum, unique
from typing import Final, TypeAlias

from tiprouter.domain.duty import Part, Protocol
from tiprouter.domain.lateness import warn_at
from tiprouter.domain.outcome import after
from tiprouter.domain.states import OWING, DutyEvent, DutyPhase, next_duty_phase
from tiprouter.domain.vocabulary import RecipientKind, WrittenWhen


@unique
class EvidenceKind(StrEnum):
    """What closed a duty: the agency's word, a person's call, or what another agency of the same part has."""

    ACKNOWLEDGED = "acknowledged"
    CALLED = "called"
    ELSEWHERE = "elsewhere"


@unique
class CallOutcome(StrEnum):
    """Whether a call found somebody."""

    REACHED = "reached"
    NO_ANSWER = "no_answer"


Whom: TypeAlias = tuple[str, str | None]
"""A person and a recipient by id; no recipient where none was found."""

_EVENTS: Final = {
    EvidenceKind.ACKNOWLEDGED: DutyEvent.ACKNOWLEDGE,
    EvidenceKind.CALLED: DutyEvent.CALL,
    EvidenceKind.ELSEWHERE: DutyEvent.DISCHARGE_ELSEWHERE,
}


@dataclass(frozen=True, slots=True)
class Share:
    """One part of a duty as it is kept: one of `kinds` must be told.

    `row` is the duty row's id, "" where no row says it; `place` is a jurisdiction's code, "" for what is reported for
    another reason than the duty table; `spot` tells two counties of a place apart and names none.
    """

    row: str
    place: str
    spot: str
    kinds: tuple[RecipientKind, ...]


@dataclass(frozen=True, slots=True)
class Instead:
    """A call that reached another agency in a recipient's place (rule 2)."""

    evidence_id: str
    kind: RecipientKind
    place: str

    def closes(self, share: Share) -> bool:
        """Whether this part was told by that call."""
        return self.kind in share.kinds and share.place in ("", self.place)


@dataclass(frozen=True, slots=True)
class Owed:
    """What a decision owes one recipient now. `barred` is an accused one, `blocked` one that nothing is sent to."""

    decision_id: str
    shares: tuple[Share, ...]
    barred: bool
    blocked: bool
    needs_call: bool
    received_at: datetime
    deadline: datetime
    written_by: datetime | None
    written_if_called: datetime | None


@dataclass(frozen=True, slots=True)
class StandingDuty:
    """One duty about one person, toward one recipient or, where none was found, toward whoever the law names.

    `written_id` is the evidence of the report in writing, `written_requested` when the agency asked for one; `cause` is
    why it was lifted; `current` is false once another duty about the same person and recipient took its place.
    """

    id: str
    record_id: str
    person_id: str
    recipient_id: str | None
    decision_id: str
    phase: DutyPhase
    shares: tuple[Share, ...]
    barred: bool
    blocked: bool
    needs_call: bool
    opened_at: datetime
    received_at: datetime
    deadline: datetime
    written_by: datetime | None
    written_if_called: datetime | None
    written_requested: datetime | None = None
    written_id: str | None = None
    discharged_by: EvidenceKind | None = None
    evidence_id: str | None = None
    ended_at: datetime | None = None
    cause: str | None = None
    current: bool = True

    @property
    def owing(self) -> bool:
        """Whether evidence is still wanted."""
        return self.phase in OWING

    @property
    def answers(self) -> bool:
        """Whether its own recipient can give evidence (rule 2)."""
        return self.recipient_id is not None and not self.barred

    @property
    def proved(self) -> bool:
        """Whether its own recipient gave it."""
        return self.answers and self.discharged_by in (EvidenceKind.ACKNOWLEDGED, EvidenceKind.CALLED)

    @property
    def writing_begun(self) -> datetime:
        """When the clock of the report in writing began."""
        return self.received_at if self.written_requested is None else self.written_requested

    @property
    def owes_writing(self) -> bool:
        """Whether a report in writing is still wanted (rule 5)."""
        over = self.phase is DutyPhase.LIFTED or self.discharged_by is EvidenceKind.ELSEWHERE
        return self.written_by is not None and self.written_id is None and not over


def begin(
    new_id: str, whom: tuple[str, str, str | None], owed: Owed, now: datetime, old: Sequence[StandingDuty]
) -> StandingDuty:
    """A duty about (record, person, recipient); `old` are those that were about them before (rule 4)."""
    record_id, person_id, recipient_id = whom
    asked = [one for one in old if one.written_requested is not None and one.written_id is None]
    return StandingDuty(
        id=new_id,
        record_id=record_id,
        person_id=person_id,
        recipient_id=recipient_id,
        decision_id=owed.decision_id,
        phase=DutyPhase.OPEN,
        shares=owed.shares,
        barred=owed.barred,
        blocked=owed.blocked,
        needs_call=owed.needs_call,
        opened_at=now,
        received_at=min([owed.received_at, *(one.received_at for one in old)]),
        deadline=min([owed.deadline, *(one.deadline for one in old)]),
        written_by=_earlier(owed.written_by, min((one.written_by for one in asked if one.written_by), default=None)),
        written_if_called=owed.written_if_called,
        written_requested=min((one.written_requested for one in asked if one.written_requested), default=None),
    )


def renew(duty: StandingDuty, owed: Owed) -> StandingDuty:
    """The same duty under a newer decision (rule 4). What ended keeps its history, and only learns of today's parts."""
    if not duty.owing:
        return replace(duty, decision_id=owed.decision_id, shares=owed.shares)
    return replace(
        duty,
        decision_id=owed.decision_id,
        shares=owed.shares,
        barred=owed.barred,
        blocked=owed.blocked,
        needs_call=owed.needs_call,
        received_at=min(duty.received_at, owed.received_at),
        deadline=min(duty.deadline, owed.deadline),
        written_by=_earlier(duty.written_by, owed.written_by),
        written_if_called=_earlier(duty.written_if_called, owed.written_if_called),
    )


def discharge(duty: StandingDuty, by: EvidenceKind, evidence_id: str, now: datetime) -> StandingDuty:
    """The duty once there is evidence (rules 1, 5). Raises `IllegalTransitionError` when it is owed no longer."""
    written_by = _earlier(duty.written_by, duty.written_if_called) if by is EvidenceKind.CALLED else duty.written_by
    return replace(
        duty,
        phase=next_duty_phase(duty.phase, _EVENTS[by]),
        discharged_by=by,
        evidence_id=evidence_id,
        ended_at=now,
        written_by=written_by,
    )


def ask(duty: StandingDuty, asked_at: datetime, until: datetime | None) -> StandingDuty:
    """The duty once its agency asked for a report in writing (rule 6); `until` is when that is late, if the law says.

    What was written already is not asked for again.
    """
    if until is None or duty.written_id is not None:
        return duty
    return replace(
        duty,
        written_requested=_earlier(duty.written_requested, asked_at),
        written_by=_earlier(duty.written_by, until),
    )


def lift(duty: StandingDuty, cause: str, now: datetime) -> StandingDuty:
    """The duty once it is owed no longer."""
    return replace(duty, phase=next_duty_phase(duty.phase, DutyEvent.LIFT), ended_at=now, cause=cause)


def pass_deadline(duty: StandingDuty) -> StandingDuty:
    """The duty once its deadline has passed."""
    return replace(duty, phase=next_duty_phase(duty.phase, DutyEvent.DEADLINE_PASSED))


def still_proved(duty: StandingDuty, owed: Owed) -> bool:
    """Whether a recipient's own evidence is still evidence for what is owed now (rules 1, 2)."""
    enough = duty.discharged_by is EvidenceKind.CALLED or not owed.needs_call
    return duty.proved and enough and not owed.barred


def closed(duties: Iterable[StandingDuty], calls: Iterable[Instead]) -> dict[Share, str]:
    """The parts that are closed among one person's duties, and by which evidence (rule 3)."""
    known = list(duties)
    found = {share: one.evidence_id for one in known if one.proved for share in one.shares if one.evidence_id}
    for call in calls:
        found |= {share: call.evidence_id for one in known for share in one.shares if call.closes(share)}
    return found


def settle(duties: Sequence[StandingDuty], calls: Mapping[str, Sequence[Instead]], now: datetime) -> list[StandingDuty]:
    """One person's duties that have no part left open, discharged; `calls` are by the duty they were recorded for."""
    shut = closed(duties, (call for some in calls.values() for call in some))
    done = []
    for duty in duties:
        if duty.owing and duty.shares and shut.keys() >= set(duty.shares):
            own = {share for share in duty.shares for call in calls.get(duty.id, ()) if call.closes(share)}
            by = EvidenceKind.CALLED if own == set(duty.shares) else EvidenceKind.ELSEWHERE
            done.append(discharge(duty, by, max(shut[share] for share in duty.shares), now))
    return done


def serving(
    standing: Mapping[Whom, StandingDuty],
    owed: Mapping[Whom, Owed],
    calls: Mapping[str, Mapping[str, Sequence[Instead]]],
) -> set[str]:
    """The ids of a record's duties that need no other in their place: still owed, or their evidence still serves.

    `calls` are by person and by the duty they were recorded for. What somebody told stays told, also where nothing is
    owed them any more.
    """
    now_is = {whom: renew(one, owed[whom]) if whom in owed else one for whom, one in standing.items()}
    found = {one.id for whom, one in now_is.items() if one.owing or whom not in owed or still_proved(one, owed[whom])}
    for duty in now_is.values():
        if duty.discharged_by is not None and not duty.proved:
            same = [one for one in now_is.values() if one.person_id == duty.person_id]
            among = [one for one in same if one.id in found or one is duty]
            shut = closed(among, (call for some in calls.get(duty.person_id, {}).values() for call in some))
            whole = bool(duty.shares) and shut.keys() >= set(duty.shares)
            found = found | {duty.id} if whole else found - {duty.id}
    return found


def moments(duty: StandingDuty) -> Iterator[datetime]:
    """When somebody must look at a duty by themselves (rule 7)."""
    if duty.phase is DutyPhase.OPEN:
        yield warn_at(duty.received_at, duty.deadline)
        yield duty.deadline
    if duty.owes_writing and duty.written_by is not None:
        yield warn_at(duty.writing_begun, duty.written_by)
        yield duty.written_by


def wants_call(parts: Iterable[Part]) -> bool:
    """Whether a row of these parts is served by a call alone (rule 1)."""
    return any(part.row is not None and part.row.channel.spoken for part in parts)


def written_after(parts: Iterable[Part], protocol: Protocol, received_at: datetime, *, oral: bool) -> datetime | None:
    """By when the rows of these parts want a report in writing, after an oral report or whatever it was (rule 5)."""
    wanted = {WrittenWhen.ALWAYS, *((WrittenWhen.AFTER_ORAL,) if oral else ())}
    found = (
        after(part.row.written.within, received_at, protocol.majority(part.place.code).zone)
        for part in parts
        if part.row is not None and part.row.written is not None and part.row.written.when in wanted
    )
    return min(found, default=None)


def written_if_asked(shares: Iterable[Share], protocol: Protocol, asked_at: datetime) -> datetime | None:
    """By when an agency that asked for a report in writing must have it; None where the law gives no time (rule 6)."""
    asked = {(share.place, share.row) for share in shares}
    found = (
        after(row.written.within, asked_at, protocol.majority(place).zone)
        for place in {place for place, _ in asked}
        for row in protocol.rows_of(place)
        if (place, row.id) in asked and row.written is not None and row.written.when is WrittenWhen.IF_REQUESTED
    )
    return min(found, default=None)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)
