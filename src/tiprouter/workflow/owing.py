"""What does a record's newest decision owe, and which duties stand from now on?

1. Every `REPORT` and every `DUTY_BLOCKED` that stands owes one duty toward its recipient, or toward whoever the law
   names where none was found; opened in the transaction that decided it.
2. A duty that stands keeps its clock. A decision that owes it no longer lifts it, and the entry says why. One that an
   error or an unknown fact holds back is not lifted: nobody knows that it is owed no longer. Nor is it where a reviewer
   answered that hold: what an agency is told or not told says nothing of the duty (`domain/outcome.py`, rule 5).
3. A new duty takes an ended one's place where the evidence no longer serves: the agency is accused now, the law wants a
   call now, another part is open now, or what was lifted is owed again.
4. An answer that the agency gave before the duty was found counts, if it is to what the agency holds now.
5. What an accused agency is barred from goes on to the others at once, and an entry says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from tiprouter.audit.kinds import Kind
from tiprouter.domain.discharge import (
    EvidenceKind,
    Owed,
    Share,
    StandingDuty,
    Whom,
    begin,
    lift,
    moments,
    renew,
    serving,
    wants_call,
    written_after,
)
from tiprouter.domain.duty import AUTHORITIES, Part, parts
from tiprouter.domain.explain import facts_from
from tiprouter.domain.facts import Situation
from tiprouter.domain.outcome import takes
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.review import answered_in
from tiprouter.domain.vocabulary import AgeBand, DutyState, Outcome, RecipientKind, Role
from tiprouter.policy.slices import PREFIX
from tiprouter.storage import decisions, duties
from tiprouter.storage.decisions import Decision
from tiprouter.storage.records import Stored
from tiprouter.workflow.duties import about, keep, prove, settle_others
from tiprouter.workflow.happening import Happening, moment
from tiprouter.workflow.overdue import move_on

OWING: Final = (Outcome.REPORT, Outcome.DUTY_BLOCKED)
_SILENT: Final = (Outcome.WITHHOLD, Outcome.DISCLOSE)
_CHILDREN: Final = (Role.POTENTIAL_VICTIM.value, Role.DEPENDANT.value)

SPOT: Final = 16
"""So much of a blinded county tells two of them apart."""

Kept: TypeAlias = Mapping[Whom, Decision]


def owe(
    it: Happening, stored: Stored, situation: Situation, recipients: Iterable[Recipient], kept: Kept, cause: str
) -> None:
    """Bring a record's duties in line with what stands about it now (rules 1-5); the record is locked by now.

    `recipients` are those that were decided about.
    """
    wanted = {whom: decision for whom, decision in kept.items() if decision.outcome in OWING}
    new = cause == Kind.RECORD_ACCEPTED  # nothing can stand about it yet
    standing = {} if new else {(one.person_id, one.recipient_id): one for one in duties.of_record(it.tx, stored.id)}
    if not wanted and not standing:
        return
    for whom, duty in standing.items():
        if duty.owing and whom not in wanted and not _undecided(whom, kept):
            _lift(it, duty, cause)
    toward = _Toward(it, stored, situation, {one.id: one for one in recipients}, kept)
    owed = {whom: toward.owed(decision) for whom, decision in wanted.items()}
    barred = _stand(it, stored, owed, standing)
    if not new:
        _count_answers(it, stored)
        settle_others(it, stored.id, sorted({person_id for person_id, _ in owed}))
    for duty in barred:
        move_on(it, duty, "implicated")


def _stand(
    it: Happening, stored: Stored, owed: Mapping[Whom, Owed], standing: Mapping[Whom, StandingDuty]
) -> list[StandingDuty]:
    """Renew what stands and open what does not (rules 1-3); those whose agency is accused since."""
    kept_by = serving(standing, owed, duties.calls_instead(it.tx, stored.id) if standing else {})
    opened, barred = [], []
    for (person_id, recipient_id), one in owed.items():
        known = standing.get((person_id, recipient_id))
        if known is not None and known.id in kept_by:
            duty = renew(known, one)
            if duty != known:
                keep(it, duty)
        else:
            if known is not None:
                duties.supersede(it.tx, known.id)
            whom = (stored.id, person_id, recipient_id)
            duty = begin(it.id("dut"), whom, one, it.now, () if known is None else (known,))
            opened.append(duty)
            _log_opened(it, duty, known)
        if duty.owing and duty.barred and (known is None or not known.barred):
            barred.append(duty)
    duties.add(it.tx, opened, [min(moments(duty), default=None) for duty in opened])
    return barred


def _count_answers(it: Happening, stored: Stored) -> None:
    """Rule 4."""
    wanting = [
        duty for duty in duties.of_record(it.tx, stored.id) if duty.owing and duty.answers and not duty.needs_call
    ]
    for answered in duties.answers(it.tx, stored.id) if wanting else ():
        then = (decisions.load(it.tx, decision_id) for decision_id in answered.decisions)
        told = {one.person_id for one in then if one is not None}
        for duty in wanting:
            if duty.recipient_id == answered.recipient_id and duty.person_id in told:
                prove(it, duty, EvidenceKind.ACKNOWLEDGED, answered.acknowledgement_id)


def _undecided(whom: Whom, kept: Kept) -> bool:
    """Whether an error, or a fact nobody knows, is all that a duty is not owed for (rule 2)."""
    person_id, recipient_id = whom
    if recipient_id is None:
        return any(one.outcome is Outcome.HOLD_ERROR for (person, _), one in kept.items() if person == person_id)
    decision = kept.get(whom)
    if decision is None or decision.outcome is Outcome.HOLD_ERROR:
        return decision is not None
    facts = decision.facts
    held = decision.outcome is Outcome.HOLD_REVIEW or answered_in(decision.policies, decision.categories) is not None
    return (
        held
        and facts is not None
        and facts["role"] in _CHILDREN
        and facts["age"] != AgeBand.ADULT.value
        and facts["duty"] != DutyState.NOT_REQUIRED.value
    )


@dataclass(frozen=True, slots=True)
class _Toward:
    """What a decision is looked at with, to see what it owes (rule 1)."""

    it: Happening
    stored: Stored
    situation: Situation
    recipients: Mapping[str, Recipient]
    kept: Kept

    def owed(self, decision: Decision) -> Owed:
        """What a decision owes."""
        recipient = None if decision.recipient_id is None else self.recipients[decision.recipient_id]
        facts = decision.facts or {}
        mine = () if facts.get("age") == AgeBand.ADULT.value else self._parts(decision, recipient)
        blocked, received_at = decision.outcome is Outcome.DUTY_BLOCKED, self.stored.record.received_at
        protocol = self.situation.protocol
        written = written_after(mine, protocol, received_at, oral=False) if blocked else decision.written_by
        return Owed(
            decision_id=decision.id,
            shares=self._shares(mine, recipient, otherwise=_otherwise(self.it, decision)),
            barred=bool(facts.get("implicated", False)),
            blocked=blocked,
            needs_call=decision.call or recipient is None or wants_call(mine),
            received_at=received_at,
            deadline=decision.deadline or received_at,
            written_by=written,
            written_if_called=written_after(mine, protocol, received_at, oral=True),
        )

    def _parts(self, decision: Decision, recipient: Recipient | None) -> tuple[Part, ...]:
        """The parts that telling this recipient tells, or that reach nobody."""
        record, whose = self.stored.record, decision.person_id
        worlds = self.situation.worlds.get(record.persons[self.stored.persons.index(whose)].ref, ())
        every = parts(record.jurisdictions, worlds, self.situation.protocol, self.it.now.date())
        if recipient is not None:
            return tuple(part for part in every if takes(recipient, part))
        speaking = {to for (who, to), one in self.kept.items() if who == whose and one.outcome not in _SILENT}
        told = [one for key, one in self.recipients.items() if key in speaking]
        return tuple(part for part in every if _lost(part, decision) and not any(takes(one, part) for one in told))

    def _shares(self, mine: Iterable[Part], recipient: Recipient | None, *, otherwise: bool) -> tuple[Share, ...]:
        """Parts as they are kept; `otherwise` is whether something beside the duty table reports it too."""
        found = dict.fromkeys(
            Share(
                row="" if part.row is None else part.row.id,
                place=part.place.code,
                spot="" if part.place.county is None else self.it.desk.blind("county", part.place.county)[:SPOT],
                kinds=tuple(kind for kind in RecipientKind if kind in part.kinds),
            )
            for part in mine
        )
        if otherwise or not found:
            kinds = AUTHORITIES if recipient is None else frozenset({recipient.kind})
            found[Share("", "", "", tuple(kind for kind in RecipientKind if kind in kinds))] = None
        return tuple(found)


def _otherwise(it: Happening, decision: Decision) -> bool:
    """Whether it would be reported without the duty table too: no evidence of another kind of agency closes that."""
    if decision.facts is None:
        return False
    facts = replace(facts_from(decision.facts), duty=DutyState.NOT_REQUIRED, rows=())
    return it.engine.rule(facts).report


def _lost(part: Part, decision: Decision) -> bool:
    return part.row is None or f"{PREFIX}{part.row.id}" in decision.policies


def _lift(it: Happening, duty: StandingDuty, cause: str) -> None:
    keep(it, lift(duty, cause, it.now))
    it.log(Kind.DUTY_LIFTED, about(duty) | {"cause": cause})


def _log_opened(it: Happening, duty: StandingDuty, replaced: StandingDuty | None) -> None:
    it.log(
        Kind.DUTY_OPENED,
        about(duty)
        | {
            "deadline": moment(duty.deadline),
            "written_by": moment(duty.written_by),
            "call": duty.needs_call,
            "blocked": duty.blocked,
            "barred": duty.barred,
            "replaces": None if replaced is None else replaced.id,
        },
    )
