"""What may an agency take from its inbox now, and what does taking it leave behind?

1. An inbox is open in every delivery mode: what waits for the agency may be taken there, whatever its webhook carries.
2. What is listed and what is taken is permitted at that moment: whatever it rests on that has changed since is decided
   again in the same transaction (`workflow/leaving.py`). A suspended agency's inbox is empty, recalls included.
3. A fetch is an attempt and an access, both written and logged before a byte leaves. What it gets is what the webhook
   would carry, signed anew, and encrypted anew where its agency registered keys: one code reads both.
4. A fetch holds the delivery like a claim does, until its payload was handed to the connection; then it is delivered.
   When the process dies in between, how the attempt ended is unknown and the delivery waits again. Two fetches at once
   both get the payload: the later one holds.
5. What was taken may be taken again while it stands and is permitted, each time as a new attempt. The inbox shows it
   until the agency acknowledges it: handed to a connection is not received.
6. Whatever may not be taken, for whatever reason, is not there: another agency's, cancelled, superseded, recalled, past
   its time, behind an earlier one of its matter, held by an error (a human is told), or never made.

Not promised: that the agency read it. That is what its acknowledgement says.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar

import structlog

from tiprouter.delivery import signing
from tiprouter.delivery.attempts import Attempted, AttemptResult
from tiprouter.delivery.encryption import Encrypted
from tiprouter.domain.recipient import Recipient, RecipientStatus
from tiprouter.domain.redaction import Redacted
from tiprouter.domain.states import FETCHABLE, DeliveryEvent, DeliveryState, next_state
from tiprouter.domain.vocabulary import AcknowledgementStatus, AttemptKind
from tiprouter.errors import NotFoundError
from tiprouter.storage import deliveries, inbox, records, registry
from tiprouter.storage.acknowledgements import Acknowledgement, Words
from tiprouter.storage.database import DatabaseError, Transaction
from tiprouter.storage.deliveries import Delivery
from tiprouter.storage.inbox import Item, Place
from tiprouter.workflow import accessing
from tiprouter.workflow.acknowledging import acknowledge
from tiprouter.workflow.dispatch import SWEEP_MAX, finish
from tiprouter.workflow.happening import ROUTER, Actor, Desk, Happening, happening
from tiprouter.workflow.leaving import Begun, begin, exhaust, payload, rests_on_today, still_permitted
from tiprouter.workflow.wrapping import secrets_of, wrapped

log = structlog.get_logger()

T = TypeVar("T")

HAND_OVER: Final = timedelta(seconds=30)
"""How long a payload may take to be handed to its connection."""

DECIDED_AGAIN_MAX: Final = 20
"""A list decides again about this many at most: it is one transaction, and others wait for it."""

_TAKEABLE: Final = FETCHABLE | {DeliveryState.DELIVERED}
_ANSWERED: Final = 200


@dataclass(frozen=True, slots=True)
class Shelf:
    """A page of an inbox; `after` is what the next one goes on from, None when there is none."""

    items: tuple[Item, ...]
    after: Place | None

    @property
    def waits(self) -> bool:
        """Whether any of it is new to the agency."""
        return any(one.waits for one in self.items)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A payload that may leave: its bytes, the headers that vouch for them, and what handing it over needs."""

    begun: Begun
    body: Redacted | Encrypted = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


def stirs(tx: Transaction, desk: Desk, actor: Actor) -> bool:
    """Whether it is worth opening the inbox: something waits, permitted or not. Shown to nobody."""
    recipient = registry.load(tx, _agency(actor))
    return recipient is not None and _active(recipient) and inbox.stirs(tx, recipient.id, desk.now())


def open_inbox(
    tx: Transaction, desk: Desk, actor: Actor, after: Place | None, limit: int, *, last: bool = True
) -> Shelf:
    """What lies in the agency's inbox and may be taken now (rules 1, 2, 5), imminent danger first.

    An answer is logged as an access; `last` False says that this one is given only if something waits.
    """
    with happening(tx, desk, actor, deciding=True) as it:
        recipient_id = _agency(actor)
        seen = inbox.page(tx, recipient_id, it.now, after, limit + 1)
        # Records and then the recipient are held before anything is decided, as every story does.
        records.epochs(tx, inbox.records_of(seen))
        if not _open_to(it, recipient_id):
            seen = []
        shown = [_withheld_if_wrong(it, one, partial(_checked, it, one)) for one in _soon(it, seen[:limit])]
        items = tuple(one for one in shown if one is not None)
        shelf = Shelf(items, seen[limit - 1].place if len(seen) > limit else None)
        if last or shelf.waits:
            accessing.seen(it, "inbox", len(items))
        return shelf


def fetch(tx: Transaction, desk: Desk, actor: Actor, delivery_id: str) -> Fetched | None:
    """Take one payload (rules 2-6); None when it is not there, which the caller must say after the commit.

    None rather than an error: what was found no longer permitted stays cancelled.
    """
    with happening(tx, desk, actor, deciding=True) as it:
        recipient_id = _agency(actor)
        known = inbox.record_of(tx, recipient_id, delivery_id)
        if known is None:
            return None
        records.epochs(tx, (known[0],))
        if not _open_to(it, recipient_id):
            return None
        deliveries.load(tx, delivery_id)  # held: a worker's answer may come in at this moment
        found = inbox.item(tx, recipient_id, delivery_id)
        return None if found is None else _withheld_if_wrong(it, found, partial(_take, it, found))


def handed_over(tx: Transaction, desk: Desk, fetched: Fetched) -> DeliveryState:
    """The payload was handed to its connection (rule 4); the state the delivery is in now."""
    spent = desk.now() - fetched.begun.attempt.started_at
    done = Attempted(AttemptResult.SUCCESS, _ANSWERED, None, round(spent / timedelta(milliseconds=1)), None, b"")
    return finish(tx, desk, fetched.begun, done)


def answer(
    tx: Transaction, desk: Desk, actor: Actor, delivery_id: str, status: AcknowledgementStatus, words: Words
) -> tuple[Acknowledgement, str]:
    """The same as `acknowledging.acknowledge`, by the delivery's id. Raises `NotFoundError`, `InvalidError`."""
    known = inbox.record_of(tx, _agency(actor), delivery_id)
    if known is None:
        raise NotFoundError
    return acknowledge(tx, desk, actor, known[1], status, words)


def end_overdue(tx: Transaction, desk: Desk) -> int:
    """A chore: end what nobody took in time, and tell a human; how many there were."""
    with happening(tx, desk, ROUTER) as it:
        found = deliveries.overdue(tx, it.now, SWEEP_MAX)
        for delivery in found:
            exhaust(it, delivery)
        return len(found)


def _agency(actor: Actor) -> str:
    if actor.recipient_id is None:
        raise NotFoundError
    return actor.recipient_id


def _active(recipient: Recipient) -> bool:
    return recipient.status is RecipientStatus.ACTIVE


def _open_to(it: Happening, recipient_id: str) -> bool:
    """Whether this agency's inbox shows anything at all; on PostgreSQL its entry stays so until this story commits."""
    registry.revisions(it.tx, (recipient_id,))
    recipient = registry.load(it.tx, recipient_id)
    return recipient is not None and _active(recipient)


def _soon(it: Happening, seen: Sequence[Item]) -> Iterator[Item]:
    """Those that can be answered for soon: at most so many that must be decided again; the others come next time."""
    again = 0
    for one in seen:
        today = rests_on_today(it, one.delivery)
        again += not today
        if today or again <= DECIDED_AGAIN_MAX:
            yield one


def _checked(it: Happening, item: Item) -> Item | None:
    """The item as it stands once it was decided again where need be, or None (rules 2 and 6)."""
    delivery = item.delivery
    if delivery.state not in _TAKEABLE or (delivery.state in FETCHABLE and it.now >= delivery.deliver_by):
        return None
    if not still_permitted(it, delivery, _TAKEABLE, "inbox"):
        return None
    # Opened before it is shown: what cannot be opened is not offered.
    payload(it, delivery)
    return inbox.item(it.tx, delivery.recipient_id, delivery.id)


def _take(it: Happening, item: Item) -> Fetched | None:
    """Rules 3 and 4: the attempt and the access are written, then the bytes are handed out."""
    found = _checked(it, item)
    if found is None:
        return None
    delivery, lease = found.delivery, it.id("lse")
    body, secrets = _body(it, delivery), secrets_of(it, delivery.recipient_id)
    headers = signing.headers(delivery.id, int(it.now.timestamp()), body.body, secrets)
    again = delivery.state is DeliveryState.DELIVERED
    state = delivery.state if again else next_state(delivery.state, DeliveryEvent.FETCH)
    begun = begin(it, delivery, AttemptKind.FETCH, lease)
    until, number = it.now + HAND_OVER, begun.attempt.number
    inbox.take(it.tx, replace(delivery, state=state, lease=lease, lease_until=until, attempts=number), it.now)
    accessing.seen(it, "inbox.delivery", 1, delivery.disclosure_id)
    return Fetched(begun, body, headers)


def _body(it: Happening, delivery: Delivery) -> Redacted | Encrypted:
    """Rule 3: encrypted where the webhook would be."""
    recipient = registry.load(it.tx, delivery.recipient_id)
    if recipient is None:
        raise NotFoundError
    return wrapped(it, recipient, payload(it, delivery), delivery.id)


def _withheld_if_wrong(it: Happening, item: Item, story: Callable[[], T | None]) -> T | None:
    """Promise 1: whatever goes wrong, this one is not shown and a human is told; the others go on."""
    try:
        with it.forgiving():
            return story()
    except DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        delivery = item.delivery
        log.warning("delivery.held", delivery=delivery.id, error=type(error).__name__)
        it.tell("delivery.held", delivery.id, delivery.record_id, delivery.deadline)
        return None
