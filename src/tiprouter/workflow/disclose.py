"""Given what may leave now, what becomes of what was made before?

1. Nothing was made: a disclosure and its delivery are written, in the transaction that decided them.
2. The same was made: it stands; its delivery now rests on today's decision.
3. Something else was made: what still waits of it is cancelled and the new disclosure takes its place.
4. Nothing may leave any more: what still waits is cancelled. Cancelling wins over an attempt in flight: its answer is
   recorded, and it is not tried again.
5. After a withdrawal, a narrowing or a refusal, a recipient that may have received what is no longer permitted gets a
   recall in the same matter, after it in sequence: one for each version it may hold, superseded ones too. A recall
   carries ids only and needs no permission. An attempt that was made may have arrived, whatever its answer was.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain import redaction
from tiprouter.domain.consent import Question, state_of
from tiprouter.domain.disclosure_states import DisclosureEvent, DisclosureState
from tiprouter.domain.duty import served
from tiprouter.domain.lateness import warn_at
from tiprouter.domain.outcome import Verdict
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.redaction import Address, Made
from tiprouter.domain.states import INITIAL, TERMINAL, WAITING, DeliveryEvent, DeliveryState, next_state
from tiprouter.domain.vocabulary import AgeBand, Category, ConsentState, Urgency
from tiprouter.errors import NotFoundError
from tiprouter.storage import consents, decisions, deliveries, disclosures, registry
from tiprouter.storage.decisions import Decision
from tiprouter.storage.deliveries import Delivery
from tiprouter.storage.disclosures import Disclosure, UnderWay
from tiprouter.storage.records import Stored
from tiprouter.workflow.happening import Happening, moment

TAKEN_BACK: Final = frozenset({"consent.withdrawn", "consent.narrowed", "consent.refused"})
"""Why something may leave no longer because the person said so: what was sent is recalled."""

KEEP_TRYING: Final = timedelta(hours=24)
"""A late report is better than none: trying goes on this long, though a human is told before the deadline."""

RECALL_WITHIN: Final = timedelta(hours=1)
RECALL_BASIS: Final = "recall"

_TAKEN_BACK: Final = (ConsentState.WITHDRAWN.value, ConsentState.REFUSED.value)

_STANDING: Final = WAITING | {DeliveryState.DELIVERED}
"""What may leave from here on, or once more, under the decision it rests on."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A redacted disclosure that may leave now."""

    address: Address
    made: Made
    recipient: Recipient
    verdicts: Mapping[str, Verdict]
    urgency: Urgency
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """What is made about one record, stored at the end, and how far each matter's sequence came with it."""

    made: list[tuple[Disclosure, bytes, bytes]] = field(default_factory=list)
    sent: list[Delivery] = field(default_factory=list)
    reached: dict[str, int] = field(default_factory=dict)

    def add(self, made: Disclosure, payload: bytes, delivery: Delivery, salt: bytes = b"") -> None:
        """One disclosure with its salt, or a recall, to which the log does not commit, and its delivery."""
        self.made.append((made, payload, salt))
        self.sent.append(delivery)
        self.reached[made.matter_id] = made.sequence

    def store(self, it: Happening, record_id: str) -> None:
        """Everything that was made, in three statements."""
        disclosures.add_all(it.tx, it.vault, record_id, self.made)
        deliveries.add_all(it.tx, self.sent)


def reconcile(
    it: Happening,
    stored: Stored,
    drafts: Mapping[str, Draft | None],
    kept: Mapping[tuple[str, str | None], Decision],
    cause: str,
) -> None:
    """Bring disclosures and deliveries in line with what may leave now (rules 1-5)."""
    live = {} if stored.id == it.new else disclosures.under_way(it.tx, stored.id)
    new = {to: draft for to, draft in drafts.items() if draft is not None}
    same = {to for to, draft in new.items() if to in live and live[to].content_digest == draft.made.content_digest}
    _rest_all_on_today(it, stored, [(new[to], live[to]) for to in same])
    ended = [old for to, old in live.items() if to not in same]
    for event, some in _ends(ended, new).items():
        disclosures.move(it.tx, some, event)
    cancel_all(it, ended, cause)
    told = disclosures.told_of(it.tx, stored.id) if cause in TAKEN_BACK else {}
    out, because = _Outgoing(), _because(kept)
    after = _recall_all(it, stored, out, [held for old in ended for held in told.get(old.matter_id, ())], cause)
    for to, first in new.items():
        draft = first if to not in after else _after(stored, first, after[to])
        if to not in same and draft is not None:
            _make(it, stored, out, draft, because.get(to, ()))
    recalled, standing = {old.recipient_id for old in ended}, {live[to].disclosure_id for to in same}
    others = [held for some in told.values() for held in some if held.recipient_id not in recalled]
    before = _ended_before(it, stored, [held for held in others if held.id not in standing], kept)
    _recall_all(it, stored, out, before, cause)
    out.store(it, stored.id)


def _ends(ended: Iterable[UnderWay], new: Mapping[str, Draft]) -> dict[DisclosureEvent, list[str]]:
    """What ends by what: something else takes its place, or nothing may leave any more (rules 3, 4)."""
    found: dict[DisclosureEvent, list[str]] = {}
    for old in ended:
        event = DisclosureEvent.REPLACE if old.recipient_id in new else DisclosureEvent.WITHHOLD
        found.setdefault(event, []).append(old.disclosure_id)
    return found


def _because(kept: Mapping[tuple[str, str | None], Decision]) -> dict[str, tuple[str, ...]]:
    """On which decisions each recipient's disclosure is made."""
    found: dict[str, tuple[str, ...]] = {}
    for (_, to), one in kept.items():
        if to is not None and one.categories:
            found[to] = (*found.get(to, ()), one.id)
    return found


def basis(epoch: int, recipient_revision: int, bundle: str) -> str:
    """What a delivery was decided under, in a form that any relevant change makes unequal."""
    return f"{epoch}.{recipient_revision}.{bundle[:32]}"


def cancel(it: Happening, delivery: Delivery, cause: str) -> None:
    """Stop a delivery wherever it is, unless it has ended already (rule 4)."""
    cancel_all(it, (delivery,), cause)


def cancel_all(it: Happening, under_way: Iterable[Delivery | UnderWay], cause: str) -> None:
    """The same of many: one statement for all, and an entry for each of them."""
    stopped = [delivery for delivery in under_way if delivery.state not in TERMINAL]
    into: dict[DeliveryState, list[str]] = {}
    for delivery in stopped:
        into.setdefault(next_state(delivery.state, DeliveryEvent.CANCEL), []).append(delivery.id)
    for state, some in into.items():
        deliveries.change_all(it.tx, some, state=state, finished_at=it.now, warn_at=None)
    alike = it.alike(Kind.DISCLOSURE_CANCELLED, {"cause": cause})
    for delivery in stopped:
        it.log_as(
            alike,
            {
                "disclosure": delivery.disclosure_id,
                "delivery": delivery.id,
                "record": delivery.record_id,
                "recipient": delivery.recipient_id,
            },
        )


def rest_on_today(it: Happening, stored: Stored, draft: Draft, delivery: Delivery) -> None:
    """Let what may still leave rest on today's decision (rule 2)."""
    _rest_all_on_today(it, stored, [(draft, delivery)])


def _rest_all_on_today(it: Happening, stored: Stored, same: Iterable[tuple[Draft, Delivery | UnderWay]]) -> None:
    today: dict[tuple[str, datetime | None], list[str]] = {}
    for draft, delivery in same:
        if delivery.state in _STANDING:
            under = basis(stored.epoch, draft.recipient.revision, it.engine.bundle.digest)
            today.setdefault((under, draft.valid_until), []).append(delivery.id)
    for (under, until), some in today.items():
        deliveries.change_all(it.tx, some, basis=under, valid_until=until)


def _after(stored: Stored, draft: Draft, sequence: int) -> Draft | None:
    """The same draft behind a recall: its place in the sequence is part of its bytes."""
    address = replace(draft.address, sequence=sequence + 1)
    made = redaction.redact(stored.record, draft.verdicts, draft.recipient, address)
    return None if made is None else replace(draft, address=address, made=made)


@cache
def spelt(categories: frozenset[Category]) -> tuple[str, ...]:
    """Categories as they are stored and logged, in their own order. There are few sets of them."""
    return tuple(category.value for category in Category if category in categories)


def _make(it: Happening, stored: Stored, out: _Outgoing, draft: Draft, because: tuple[str, ...]) -> None:
    """Rule 1."""
    made, address = draft.made, draft.address
    disclosure = Disclosure(
        id=address.disclosure_id,
        matter_id=address.matter_id,
        sequence=address.sequence,
        record_id=stored.id,
        revision=stored.revision,
        recipient_id=draft.recipient.id,
        recalls=None,
        state=DisclosureState.STANDING,
        categories=spelt(made.categories),
        decisions=because,
        digest=made.redacted.digest,
        content_digest=made.content_digest,
        made_at=it.now,
    )
    today = basis(stored.epoch, draft.recipient.revision, it.engine.bundle.digest)
    delivery = delivery_of(it, disclosure, draft.urgency, address.deadline, today, draft.valid_until)
    salt, commitment = it.salted(made.redacted.digest.encode())
    out.add(disclosure, made.redacted.body, delivery, salt)
    it.log(
        Kind.DISCLOSURE_MADE,
        {
            "disclosure": disclosure.id,
            "delivery": delivery.id,
            "decisions": list(because),
            "record": stored.id,
            "revision": stored.revision,
            "recipient": disclosure.recipient_id,
            "digest": commitment,
            "categories": list(disclosure.categories),
            "persons": [stored.person_id(ref) for ref in made.persons],
            "bundle": it.engine.bundle.digest,
            "deadline": moment(address.deadline),
        },
    )


def recall(it: Happening, stored: Stored, old: Disclosure, cause: str) -> int:
    """Take back what a recipient may hold (rule 5); returns the recall's place in the sequence."""
    out = _Outgoing()
    reached = _recall_all(it, stored, out, (old,), cause)
    out.store(it, stored.id)
    return reached[old.recipient_id]


def _recall_all(
    it: Happening, stored: Stored, out: _Outgoing, held: Sequence[Disclosure], cause: str
) -> dict[str, int]:
    """The same of many; the last recall's place in the sequence, by recipient."""
    if not held:
        return {}
    known = registry.everyone(it.tx).by_id
    if not known.keys() >= {old.recipient_id for old in held}:
        raise NotFoundError
    matters = {matter.id: matter.sequence for matter in disclosures.matters_of(it.tx, stored.id)}
    for old in held:
        to = (known[old.recipient_id], out.reached.get(old.matter_id, matters[old.matter_id]))
        _recall(it, stored, out, old, to, cause)
    disclosures.move(it.tx, [old.id for old in held], DisclosureEvent.RECALL)
    return {old.recipient_id: out.reached[old.matter_id] for old in held}


def _recall(
    it: Happening, stored: Stored, out: _Outgoing, old: Disclosure, to: tuple[Recipient, int], cause: str
) -> None:
    """One recall: to whom, which place of the sequence was given out last, and why."""
    recipient, reached = to
    address = Address(it.id("dis"), old.matter_id, reached + 1, it.now, it.now + RECALL_WITHIN)
    redacted = redaction.recall(recipient, address, old.id)
    recalled = replace(
        old,
        id=address.disclosure_id,
        sequence=address.sequence,
        revision=stored.revision,
        recalls=old.id,
        state=DisclosureState.STANDING,
        answers=None,
        categories=(),
        decisions=(),
        digest=redacted.digest,
        content_digest=redacted.digest,
        made_at=it.now,
    )
    delivery = delivery_of(it, recalled, Urgency.IMMINENT, address.deadline, RECALL_BASIS)
    out.add(recalled, redacted.body, delivery)
    it.log(
        Kind.RECALL_MADE,
        {
            "recall": recalled.id,
            "disclosure": old.id,
            "delivery": delivery.id,
            "record": stored.id,
            "recipient": old.recipient_id,
            "cause": cause,
            "deadline": moment(address.deadline),
        },
    )


def _ended_before(
    it: Happening, stored: Stored, held: Sequence[Disclosure], kept: Mapping[tuple[str, str | None], Decision]
) -> list[Disclosure]:
    """Rule 5 for what no longer stands anyway: it ended by expiry, or by a revision that may leave the person out."""
    then = decisions.several(it.tx, sorted({decision_id for one in held for decision_id in one.decisions}))
    gone = _taken_back_unasked(it, stored, {(one.person_id, one.recipient_id) for one in then.values()} - kept.keys())
    return [one for one in held if _rested_on_what_is_withdrawn(one, then, kept, gone)]


def _taken_back_unasked(
    it: Happening, stored: Stored, whom: Iterable[tuple[str, str | None]]
) -> set[tuple[str, str | None, str]]:
    """What was taken back where nothing is decided any more: person, recipient, category.

    The record no longer names the person, or nothing about it concerns the recipient now.
    """
    whom = list(whom)
    known = registry.everyone(it.tx).by_id if whom else {}
    taken: set[tuple[str, str | None, str]] = set()
    for person_id, to in whom:
        if to is not None and to in known:
            said = [consent for consent, _ in consents.of_person(it.tx, it.vault, person_id)]
            places = tuple(place.code for place in served(stored.record.jurisdictions, known[to]))
            # An adult's question: of what age they were matters to a grant alone.
            question = Question(known[to], AgeBand.ADULT, minor_alone=True, places=places or known[to].jurisdictions)
            taken |= {
                (person_id, to, category.value)
                for category in Category
                if state_of(said, question, category, it.now).value in _TAKEN_BACK
            }
    return taken


def _rested_on_what_is_withdrawn(
    held: Disclosure,
    before: Mapping[str, Decision],
    kept: Mapping[tuple[str, str | None], Decision],
    gone: Collection[tuple[str, str | None, str]],
) -> bool:
    """Whether a category went out on a consent that was granted then and is withdrawn now."""
    for then in [before[decision_id] for decision_id in held.decisions if decision_id in before]:
        if then.facts is None:
            continue
        granted = [one for one in then.categories if then.facts["consents"][one] == ConsentState.GRANTED.value]
        now = kept.get((then.person_id, then.recipient_id))
        left = {} if now is None or now.facts is None else now.facts["consents"]
        if any(left.get(one) in _TAKEN_BACK or (then.person_id, then.recipient_id, one) in gone for one in granted):
            return True
    return False


def delivery_of(
    it: Happening,
    disclosure: Disclosure,
    urgency: Urgency,
    deadline: datetime,
    decided_under: str,
    valid_until: datetime | None = None,
) -> Delivery:
    """The delivery of a new disclosure or recall, due at once."""
    return Delivery(
        id=it.id("msg"),
        disclosure_id=disclosure.id,
        matter_id=disclosure.matter_id,
        sequence=disclosure.sequence,
        record_id=disclosure.record_id,
        recipient_id=disclosure.recipient_id,
        urgency=urgency,
        state=INITIAL,
        attempts=0,
        next_at=it.now,
        deadline=deadline,
        warn_at=warn_at(it.now, deadline),
        deliver_by=max(deadline, it.now + KEEP_TRYING),
        basis=decided_under,
        valid_until=valid_until,
        lease=None,
        lease_until=None,
        created_at=it.now,
        finished_at=None,
    )
