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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any, Final, Self, TypeAlias

import structlog

from tiprouter.audit.entry import Alike
from tiprouter.audit.kinds import Kind
from tiprouter.domain import redaction
from tiprouter.domain.duty import deadline_somewhere
from tiprouter.domain.facts import Facts, Situation, bands_anywhere, findings_for
from tiprouter.domain.outcome import Notice, Verdict, blocked_without_recipient, unrouted, verdict_of
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.redaction import Address, Told
from tiprouter.domain.routing import candidates
from tiprouter.domain.vocabulary import Outcome, Urgency
from tiprouter.storage import decisions, records, registry
from tiprouter.storage.decisions import Decision
from tiprouter.storage.disclosures import Matters
from tiprouter.storage.records import Stored
from tiprouter.workflow.answering import carry
from tiprouter.workflow.disclose import Draft, reconcile, spelt
from tiprouter.workflow.happening import Happening, moment
from tiprouter.workflow.owing import owe
from tiprouter.workflow.review_queue import follow
from tiprouter.workflow.situation import Seen, situation_of

log = structlog.get_logger()

_NEVER: Final = datetime.max.replace(tzinfo=UTC)
"""Later than any agreement ends."""

_deciding = attrgetter(*sorted({*Recipient.__slots__} - {"id", "name", "url", "revision", "agreement_until"}))
"""What of a recipient decides, beside its id and its agreement (rule 7)."""

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

_Wanted: TypeAlias = tuple[Whom, Verdict, datetime | None]
"""A verdict that must stand, and how long it holds."""

_SAID: Final = (
    "revision",
    "outcome",
    "categories",
    "policies",
    "review",
    "deadline",
    "errors",
    "call",
    "written_by",
    "facts",
    "bundle",
)
"""What makes two decisions the same decision."""

_SAYS: Final = attrgetter(*_SAID)


@dataclass(frozen=True, slots=True)
class _Judged:
    """What is decided toward one recipient, by `ref`; none of it holds longer than `ends` (rule 7)."""

    recipient: Recipient
    verdicts: Mapping[str, Verdict]
    ends: datetime | None
    draft: Draft | None


def assess(it: Happening, stored: Stored, cause: str) -> Assessed:
    """Decide about a record and let what follows follow (rules 1-5)."""
    seen = situation_of(it, stored)
    situation, unreadable = seen.situation, seen.unreadable
    toward = candidates(stored.record, chain.from_iterable(situation.consents.values()), registry.everyone(it.tx))
    alike, matters = _Alike(it, seen), Matters(it.tx, stored.id, new=stored.id == it.new)
    judged = [
        _held(stored, situation, recipient, unreadable) if unreadable else _judge(it, stored, alike, matters, recipient)
        for recipient in toward
    ]
    matters.store()
    wanted = _wanted(stored, situation, judged)
    kept = _decide(it, stored, wanted, cause)
    follow(it, stored, kept.values())
    drafts = {one.recipient.id: one.draft for one in judged}
    reconcile(it, stored, drafts, kept, cause)
    carry(it, stored, drafts, kept, cause)
    owe(it, stored, situation, [one.recipient for one in judged], kept, cause)
    _look_again(it, stored, (until for _, _, until in wanted))
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
        self._known: dict[object, dict[str, Verdict]] = {}
        self._told: dict[int, Told | None] = {}

    def verdicts(self, recipient: Recipient) -> tuple[Mapping[str, Verdict], datetime | None]:
        """What is decided about everybody of the record toward a recipient, by `ref`, and when all of it ends.

        Raises whatever goes wrong.
        """
        ends = recipient.agreement_until if recipient.agreed(self.seen.situation.now) else None
        until = recipient.agreement_until if ends is None else _NEVER
        named = recipient.id if recipient.id in self._named else ""
        like = (named, until, _deciding(recipient))
        if like not in self._known:
            one = replace(recipient, id=named, name="", url=None, revision=0, agreement_until=until)
            self._known[like] = verdicts_toward(self._it, self.seen, one)
        return self._known[like], ends

    def told(self, verdicts: Mapping[str, Verdict], recipient: Recipient) -> Told | None:
        """What a recipient is told under these, its verdicts from here: the same as all who are decided about alike."""
        if id(verdicts) not in self._told:
            self._told[id(verdicts)] = redaction.told(self.seen.situation.record, verdicts, recipient)
        return self._told[id(verdicts)]


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


def _judge(it: Happening, stored: Stored, alike: _Alike, matters: Matters, recipient: Recipient) -> _Judged:
    """Verdicts and payload toward one recipient; rule 2."""
    situation = alike.seen.situation
    try:
        verdicts, ends = alike.verdicts(recipient)
    except Exception as error:  # noqa: BLE001 - promise 1: whatever goes wrong, nothing leaves and a human is told
        return _held(stored, situation, recipient, error)
    leaving = [verdict for verdict in verdicts.values() if verdict.leaves]
    if not leaving:
        return _Judged(recipient, verdicts, ends, None)
    matter = matters.of(recipient.id, lambda: it.id("mat"))
    deadline = min(verdict.deadline for verdict in leaving if verdict.deadline is not None)
    address = Address(it.id("dis"), matter.id, matter.sequence + 1, it.now, deadline)
    try:
        made = redaction.addressed(alike.told(verdicts, recipient), recipient, address)
    except Exception as error:  # noqa: BLE001 - as above
        return _held(stored, situation, recipient, error)
    if made is None:
        return _Judged(recipient, verdicts, ends, None)
    draft = Draft(
        address=address,
        made=made,
        recipient=recipient,
        verdicts=verdicts,
        urgency=Urgency.IMMINENT if any(one.urgency is Urgency.IMMINENT for one in leaving) else Urgency.STANDARD,
        valid_until=_earliest(_until(verdict, ends) for verdict in leaving),
    )
    return _Judged(recipient, verdicts, ends, draft)


def _until(verdict: Verdict, ends: datetime | None) -> datetime | None:
    """How long a verdict holds toward a recipient whose agreement ends so."""
    until = verdict.valid_until
    return until or ends if until is None or ends is None else min(until, ends)


def _earliest(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


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
    return _Judged(recipient, {person.ref: held for person in record.persons}, None, None)


def _wanted(stored: Stored, situation: Situation, judged: list[_Judged]) -> list[_Wanted]:
    """Every verdict that must stand, those of rule 4 included."""
    everything = [(ref, one.recipient, verdict) for one in judged for ref, verdict in one.verdicts.items()]
    lost = unrouted(situation, everything, bands_anywhere(situation))
    ids = {person.ref: stored.person_id(person.ref) for person in stored.record.persons}
    wanted: list[_Wanted] = [
        ((ids[ref], one.recipient.id), verdict, _until(verdict, one.ends))
        for one in judged
        for ref, verdict in one.verdicts.items()
    ]
    blocked = [(ids[one.ref], blocked_without_recipient(one, situation)) for one in lost]
    return wanted + [((person_id, None), verdict, verdict.valid_until) for person_id, verdict in blocked]


def _look_again(it: Happening, stored: Stored, moments: Iterable[datetime | None]) -> None:
    """Rule 6. A record that nobody can read now is looked at again by hand, when the notice was seen."""
    due_at = _earliest(moments)
    if due_at != stored.due_at:
        records.look_again(it.tx, stored.id, due_at)


def _decide(it: Happening, stored: Stored, wanted: list[_Wanted], cause: str) -> dict[Whom, Decision]:
    """The decision that stands for each person and recipient, new or not (rule 3)."""
    standing = [] if stored.id == it.new else decisions.current(it.tx, stored.id)
    known: dict[Whom, Decision] = {(old.person_id, old.recipient_id): old for old in standing}
    kept: dict[Whom, Decision] = {}
    new: list[Decision] = []
    saying: dict[int, Saying] = {}
    for whom, verdict, until in wanted:
        said, old = saying.get(id(verdict)), known.get(whom)
        if said is None:
            said = saying[id(verdict)] = Saying.of(it, stored, verdict, cause)
        if old is None or _SAYS(old) != said.says:
            kept[whom] = said.to(it, whom, until, old)
            new.append(kept[whom])
        else:
            kept[whom] = old
    decisions.retire(it.tx, [old.id for whom, old in known.items() if kept.get(whom) is not old])
    decisions.add(it.tx, new)
    return kept


def facts_bytes(facts: Mapping[str, object] | None) -> bytes:
    """The canonical bytes of stored facts: what the log's commitment is to."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()


@lru_cache(maxsize=SPELLED_MAX)
def _spelled(facts: Facts) -> tuple[Mapping[str, Any], bytes]:
    """Facts as they are stored, and their canonical bytes. Many decisions rest on the same; none changes them."""
    plain = facts.plain()
    return plain, facts_bytes(plain)


@dataclass(frozen=True, slots=True)
class Saying:
    """What every decision of one verdict says, whomever it is about: found once for all who are decided about alike.

    `says` is what makes two decisions the same decision, `shared` what they store alike, `alike` what they log alike,
    `committed` the bytes that the log's commitment is to.
    """

    says: tuple[object, ...]
    shared: Mapping[str, Any]
    alike: Alike
    committed: bytes

    @classmethod
    def of(cls, it: Happening, stored: Stored, verdict: Verdict, cause: str) -> Self:
        """What a verdict about somebody of this record says."""
        facts, committed = (None, facts_bytes(None)) if verdict.facts is None else _spelled(verdict.facts)
        shared: dict[str, Any] = {
            "record_id": stored.id,
            "revision": stored.revision,
            "outcome": verdict.outcome,
            "categories": spelt(verdict.categories),
            "policies": verdict.policies,
            "review": verdict.review,
            "deadline": verdict.deadline,
            "urgency": verdict.urgency,
            "notice": verdict.notice.value,
            "errors": verdict.errors,
            "facts": facts,
            "bundle": it.engine.bundle.digest,
            "cause": cause,
            "decided_at": it.now,
            "received_at": stored.record.received_at,
            "duty_within": None if verdict.duty_within is None else int(verdict.duty_within.total_seconds()),
            "call": verdict.call,
            "written_by": verdict.written_by,
        }
        body = {
            "record": stored.id,
            "record_kind": stored.kind.value,
            "revision": stored.revision,
            "outcome": verdict.outcome.value,
            "categories": list(shared["categories"]),
            "policies": list(verdict.policies),
            "bundle": shared["bundle"],
            "deadline": moment(verdict.deadline),
            "obligations": _obligations(verdict),
            "cause": cause,
        }
        says = tuple(shared[name] for name in _SAID)
        return cls(says, shared, it.alike(Kind.DECISION, body), committed)

    def to(self, it: Happening, whom: Whom, until: datetime | None, replaced: Decision | None) -> Decision:
        """The decision about this person and recipient, logged; a human is told where its outcome asks for one."""
        person_id, recipient_id = whom
        salt, commitment = it.salted(self.committed)
        decision = Decision(
            id=it.id("dec"),
            person_id=person_id,
            recipient_id=recipient_id,
            salt=salt.hex(),
            valid_until=until,
            **self.shared,
        )
        it.log_as(
            self.alike,
            {
                "decision": decision.id,
                "person": person_id,
                "recipient": recipient_id,
                "facts": commitment,
                "replaces": None if replaced is None else replaced.id,
            },
        )
        if decision.call:
            it.tell("duty.call", decision.id, decision.record_id, decision.deadline)
        if decision.outcome in _TOLD:
            it.tell(_TOLD[decision.outcome], decision.id, decision.record_id, decision.deadline)
        return decision


def _obligations(verdict: Verdict) -> list[str]:
    """What a decision obliges to, as the log spells it."""
    owed = [verdict.notice.value]
    if verdict.call:
        owed.append("call")
    if verdict.written_by is not None:
        owed.append(f"written-by-{verdict.written_by.date().isoformat()}")
    return owed
