"""Given a record as it stands, what is decided about it now, and what follows?

1. Every person is decided toward every candidate recipient, on the facts of this moment, in this transaction.
2. An error while facts are derived, the policy is asked or a payload is redacted is `HOLD_ERROR` for that recipient:
   nothing leaves toward it, the rest goes on, and a human is told.
3. A decision that says the same as the one that stands is not made again; every other one is stored and logged, the
   withheld ones too.
4. A child of whom some part of a duty reaches no recipient gets a decision without one, and a human is told. So is
   one whose law wants a telephone call: a webhook is none.
5. What may leave is then reconciled with what was made before (`workflow/disclose.py`), answers to agencies' questions
   among it (`workflow/answering.py`).
6. When time alone will change any of it, the record is decided again at that moment (`workflow/revisit.py`).
7. Recipients who differ in nothing that decides are decided about once: the same facts are the same verdict (`_Alike`).
8. What a human must look at joins the review queue, and what they answered counts while it is about what is so now
   (`workflow/situation.py`, `workflow/review_queue.py`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import Any, Final, TypeAlias

import structlog

from tiprouter.audit.kinds import Kind
from tiprouter.domain import redaction
from tiprouter.domain.duty import deadline_somewhere
from tiprouter.domain.facts import Facts, Situation, bands_anywhere, findings_for
from tiprouter.domain.outcome import Notice, Verdict, blocked_without_recipient, unrouted, verdict_of
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.redaction import Address, Made
from tiprouter.domain.routing import candidates
from tiprouter.domain.vocabulary import Category, Outcome, Urgency
from tiprouter.storage import decisions, disclosures, records, registry
from tiprouter.storage.decisions import Decision
from tiprouter.storage.records import Stored
from tiprouter.workflow.answering import carry
from tiprouter.workflow.disclose import Draft, reconcile
from tiprouter.workflow.happening import Happening, moment
from tiprouter.workflow.owing import owe
from tiprouter.workflow.review_queue import follow
from tiprouter.workflow.situation import Seen, situation_of

log = structlog.get_logger()

_NEVER: Final = datetime.max.replace(tzinfo=UTC)
"""Later than any agreement ends."""

SPELLED_MAX: Final = 4_096
"""So many different facts are kept as they are stored."""

_TOLD = {
    Outcome.HOLD_ERROR: "decision.error",
    Outcome.DUTY_BLOCKED: "duty.blocked",
    Outcome.HOLD_REVIEW: "review.wanted",
}


@dataclass(frozen=True, slots=True)
class Assessed:
    """What stands about a record now: its decisions, and which statements each recipient is not told."""

    decisions: tuple[Decision, ...]
    left_out: Mapping[str, tuple[int, ...]]


Whom: TypeAlias = tuple[str, str | None]
"""A person and a recipient by id; no recipient when a duty found none."""


@dataclass(frozen=True, slots=True)
class _Judged:
    recipient: Recipient
    verdicts: Mapping[str, Verdict]
    draft: Draft | None


def assess(it: Happening, stored: Stored, cause: str) -> Assessed:
    """Decide about a record and let what follows follow (rules 1-5)."""
    seen = situation_of(it, stored)
    situation, unreadable = seen.situation, seen.unreadable
    toward = candidates(stored.record, chain.from_iterable(situation.consents.values()), registry.everyone(it.tx))
    alike = _Alike(it, seen)
    judged = [
        _held(stored, situation, recipient, unreadable) if unreadable else _judge(it, stored, alike, recipient)
        for recipient in toward
    ]
    wanted = _wanted(stored, situation, judged)
    kept = _decide(it, stored, wanted, cause)
    follow(it, stored, kept.values())
    drafts = {one.recipient.id: one.draft for one in judged}
    reconcile(it, stored, drafts, kept, cause)
    carry(it, stored, drafts, kept, cause)
    owe(it, stored, situation, [one.recipient for one in judged], kept, cause)
    _look_again(it, stored, [verdict.valid_until for _, verdict in wanted])
    return Assessed(
        decisions=tuple(kept.values()),
        left_out={one.recipient.id: one.draft.made.left_out for one in judged if one.draft is not None},
    )


def verdicts_toward(it: Happening, seen: Seen, recipient: Recipient) -> dict[str, Verdict]:
    """What is decided about everybody of a record toward one recipient, by `ref`. Raises whatever goes wrong."""
    return {
        ref: verdict_of(
            finding,
            it.engine.rule(finding.facts),
            seen.situation.record.received_at,
            seen.answer(ref, recipient.id, finding.facts),
        )
        for ref, finding in findings_for(seen.situation, recipient).items()
    }


class _Alike:
    """Verdicts by what decides them (rule 7).

    A recipient's id decides where somebody named it; otherwise its kind, places, status and agreement do. When an
    agreement ends decides only how long a verdict holds.
    """

    def __init__(self, it: Happening, seen: Seen) -> None:
        self._it, self.seen = it, seen
        self._named = _named(seen)
        self._known: dict[Recipient, dict[str, Verdict]] = {}

    def verdicts(self, recipient: Recipient) -> Mapping[str, Verdict]:
        """What is decided about everybody of the record toward a recipient, by `ref`. Raises whatever goes wrong."""
        ends = recipient.agreement_until if recipient.agreed(self.seen.situation.now) else None
        like = replace(
            recipient,
            id=recipient.id if recipient.id in self._named else "",
            name="",
            url=None,
            revision=0,
            agreement_until=recipient.agreement_until if ends is None else _NEVER,
        )
        if like not in self._known:
            self._known[like] = verdicts_toward(self._it, self.seen, like)
        found = self._known[like]
        if ends is None:
            return found
        return {ref: replace(one, valid_until=min(one.valid_until or ends, ends)) for ref, one in found.items()}


def _named(seen: Seen) -> frozenset[str | None]:
    """Every recipient that a record, a consent or a reviewer names."""
    situation = seen.situation
    said = chain.from_iterable(situation.consents.values())
    return frozenset(
        (
            *(entry.recipient_id for entry in situation.record.implicated),
            *(one.recipient_id for one in situation.established),
            *(recipient_id for _, recipient_id in seen.answers),
            *chain.from_iterable(
                (*consent.recipients, *chain.from_iterable(past.before.recipients for past in consent.narrowed))
                for consent in said
            ),
        )
    )


def _judge(it: Happening, stored: Stored, alike: _Alike, recipient: Recipient) -> _Judged:
    """Verdicts and payload toward one recipient; rule 2."""
    situation = alike.seen.situation
    try:
        verdicts = alike.verdicts(recipient)
    except Exception as error:  # noqa: BLE001 - promise 1: whatever goes wrong, nothing leaves and a human is told
        return _held(stored, situation, recipient, error)
    leaving = [verdict for verdict in verdicts.values() if verdict.leaves]
    if not leaving:
        return _Judged(recipient, verdicts, None)
    matter = disclosures.matter(it.tx, stored.id, recipient.id, it.id("mat"))
    deadline = min(verdict.deadline for verdict in leaving if verdict.deadline is not None)
    address = Address(it.id("dis"), matter.id, matter.sequence + 1, it.now, deadline)
    try:
        made = redaction.redact(stored.record, verdicts, recipient, address)
    except Exception as error:  # noqa: BLE001 - as above
        return _held(stored, situation, recipient, error)
    return _Judged(recipient, verdicts, None if made is None else _draft(address, made, recipient, verdicts))


def _draft(address: Address, made: Made, recipient: Recipient, verdicts: Mapping[str, Verdict]) -> Draft:
    leaving = [verdict for verdict in verdicts.values() if verdict.leaves]
    urgent = any(verdict.urgency is Urgency.IMMINENT for verdict in leaving)
    until = (verdict.valid_until for verdict in leaving if verdict.valid_until is not None)
    return Draft(
        address=address,
        made=made,
        recipient=recipient,
        verdicts=verdicts,
        urgency=Urgency.IMMINENT if urgent else Urgency.STANDARD,
        valid_until=min(until, default=None),
    )


def _held(stored: Stored, situation: Situation, recipient: Recipient, error: Exception) -> _Judged:
    # Only the error's class is logged: its text may quote the record.
    log.error("decision.error", record=stored.id, recipient=recipient.id, error=type(error).__name__)
    record = stored.record
    held = Verdict(
        outcome=Outcome.HOLD_ERROR,
        categories=frozenset(),
        policies=("router.error",),
        review=True,
        deadline=deadline_somewhere(record.jurisdictions, situation.protocol, record.received_at, situation.now.date()),
        urgency=Urgency.IMMINENT,
        notice=Notice.NOT_REQUIRED,
        facts=None,
        valid_until=None,
        errors=("router-error",),
    )
    return _Judged(recipient, {person.ref: held for person in record.persons}, None)


def _wanted(stored: Stored, situation: Situation, judged: list[_Judged]) -> list[tuple[Whom, Verdict]]:
    """Every verdict that must stand, those of rule 4 included."""
    everything = [(ref, one.recipient, verdict) for one in judged for ref, verdict in one.verdicts.items()]
    lost = unrouted(situation, everything, bands_anywhere(situation))
    wanted: list[tuple[Whom, Verdict]] = [
        ((stored.person_id(ref), recipient.id), verdict) for ref, recipient, verdict in everything
    ]
    return wanted + [((stored.person_id(one.ref), None), blocked_without_recipient(one, situation)) for one in lost]


def _look_again(it: Happening, stored: Stored, moments: list[datetime | None]) -> None:
    """Rule 6. A record that nobody can read now is looked at again by hand, when the notice was seen."""
    due_at = min((moment for moment in moments if moment is not None), default=None)
    if due_at != stored.due_at:
        records.look_again(it.tx, stored.id, due_at)


def _decide(it: Happening, stored: Stored, wanted: list[tuple[Whom, Verdict]], cause: str) -> dict[Whom, Decision]:
    """The decision that stands for each person and recipient, new or not (rule 3)."""
    standing = decisions.current(it.tx, stored.id)
    known: dict[Whom, Decision] = {(old.person_id, old.recipient_id): old for old in standing}
    kept: dict[Whom, Decision] = {}
    new: list[Decision] = []
    for whom, verdict in wanted:
        decision, old = _decision(it, stored, whom, verdict, cause), known.get(whom)
        if old is None or _says(old) != _says(decision):
            decision = _logged(it, stored, decision, old, verdict.facts)
            new.append(decision)
            kept[whom] = decision
        else:
            kept[whom] = old
    decisions.retire(it.tx, [old.id for whom, old in known.items() if kept.get(whom) is not old])
    decisions.add(it.tx, new)
    return kept


def _decision(it: Happening, stored: Stored, whom: Whom, verdict: Verdict, cause: str) -> Decision:
    person_id, recipient_id = whom
    return Decision(
        id=it.id("dec"),
        record_id=stored.id,
        revision=stored.revision,
        person_id=person_id,
        recipient_id=recipient_id,
        outcome=verdict.outcome,
        categories=tuple(category.value for category in Category if category in verdict.categories),
        policies=verdict.policies,
        review=verdict.review,
        deadline=verdict.deadline,
        urgency=verdict.urgency,
        notice=verdict.notice.value,
        errors=verdict.errors,
        facts=None if verdict.facts is None else _spelled(verdict.facts)[0],
        salt="",
        bundle=it.engine.bundle.digest,
        cause=cause,
        valid_until=verdict.valid_until,
        decided_at=it.now,
        received_at=stored.record.received_at,
        duty_within=None if verdict.duty_within is None else int(verdict.duty_within.total_seconds()),
        call=verdict.call,
        written_by=verdict.written_by,
    )


def _says(decision: Decision) -> tuple[object, ...]:
    """What makes two decisions the same decision."""
    return (
        decision.revision,
        decision.outcome,
        decision.categories,
        decision.policies,
        decision.review,
        decision.deadline,
        decision.errors,
        decision.call,
        decision.written_by,
        decision.facts,
        decision.bundle,
    )


def facts_bytes(facts: Mapping[str, object] | None) -> bytes:
    """The canonical bytes of stored facts: what the log's commitment is to."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()


@lru_cache(maxsize=SPELLED_MAX)
def _spelled(facts: Facts) -> tuple[Mapping[str, Any], bytes]:
    """Facts as they are stored, and their canonical bytes. Many decisions rest on the same; none changes them."""
    plain = facts.plain()
    return plain, facts_bytes(plain)


def _logged(
    it: Happening, stored: Stored, decision: Decision, replaced: Decision | None, facts: Facts | None = None
) -> Decision:
    """Log a decision, tell a human where its outcome asks for one, and give it its commitment's salt."""
    salt, commitment = it.commitment(facts_bytes(decision.facts) if facts is None else _spelled(facts)[1])
    it.log(
        Kind.DECISION,
        {
            "decision": decision.id,
            "record": decision.record_id,
            "record_kind": stored.kind.value,
            "revision": decision.revision,
            "person": decision.person_id,
            "recipient": decision.recipient_id,
            "outcome": decision.outcome.value,
            "categories": list(decision.categories),
            "policies": list(decision.policies),
            "facts": commitment,
            "bundle": decision.bundle,
            "deadline": moment(decision.deadline),
            "obligations": _obligations(decision),
            "cause": decision.cause,
            "replaces": replaced.id if replaced is not None else None,
        },
    )
    if decision.call:
        it.tell("duty.call", decision.id, decision.record_id, decision.deadline)
    if decision.outcome in _TOLD:
        it.tell(_TOLD[decision.outcome], decision.id, decision.record_id, decision.deadline)
    return replace(decision, salt=salt)


def _obligations(decision: Decision) -> list[str]:
    """What a decision obliges to, as the log spells it."""
    owed = [decision.notice]
    if decision.call:
        owed.append("call")
    if decision.written_by is not None:
        owed.append(f"written-by-{decision.written_by.date().isoformat()}")
    return owed
