"""What was made for whom, sealed, and in which order?

One matter is one record as told to one recipient: its disclosures and recalls carry a sequence, so that a recipient can
put them in order and a recall never overtakes what it recalls.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.disclosure_states import DISCLOSURE_TRANSITIONS, DisclosureEvent, DisclosureState
from tiprouter.domain.states import DeliveryState, IllegalTransitionError
from tiprouter.domain.vocabulary import AttemptKind
from tiprouter.storage import rows
from tiprouter.storage.columns import named_in
from tiprouter.storage.ready import Ready
from tiprouter.storage.tables import STANDS, attempts, deliveries, disclosures, matters
from tiprouter.storage.vault import Keyring, Place, Vault

_AT_ONCE = 500
"""So many ids are named in one statement: databases bound the number of parameters."""


@dataclass(frozen=True, slots=True)
class Matter:
    """One record as told to one recipient; `sequence` is the last one given out."""

    id: str
    record_id: str
    recipient_id: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A disclosure or recall as stored, without its payload."""

    id: str
    matter_id: str
    sequence: int
    record_id: str
    revision: int
    recipient_id: str
    recalls: str | None
    state: DisclosureState
    categories: tuple[str, ...]
    decisions: tuple[str, ...]
    digest: str
    content_digest: str
    made_at: datetime
    answers: str | None = None

    @property
    def live(self) -> bool:
        """Whether nothing ended it."""
        return self.state is DisclosureState.STANDING


_COLUMNS = tuple(disclosures.c[name] for name in Disclosure.__slots__)
"""Everything but the payload."""

_MATTERS: Final = sa.select(matters).where(matters.c.record_id == sa.bindparam("record")).order_by(matters.c.id)
_COUNT: Final = Ready(
    matters.update().where(matters.c.id == sa.bindparam("which")).values(sequence=sa.bindparam("reached"))
)
_PLAIN: Final = sa.and_(STANDS, disclosures.c.recalls.is_(None), disclosures.c.answers.is_(None))
"""What stands and is neither a recall nor an answer to a question."""

_LIVE: Final = sa.select(*_COLUMNS).where(disclosures.c.record_id == sa.bindparam("record"), _PLAIN)
_UNDER_WAY: Final = (
    sa.select(
        *(disclosures.c[name] for name in ("id", "matter_id", "record_id", "recipient_id", "content_digest")),
        deliveries.c.id,
        deliveries.c.state,
    )
    .join(deliveries, deliveries.c.disclosure_id == disclosures.c.id)
    .where(disclosures.c.record_id == sa.bindparam("record"), _PLAIN)
    .order_by(deliveries.c.id)
    .with_for_update(of=deliveries)
)
_STANDING: Final = (
    sa.select(disclosures.c.id, deliveries.c.state)
    .join(deliveries, deliveries.c.disclosure_id == disclosures.c.id)
    .where(
        disclosures.c.record_id.in_(sa.bindparam("records", expanding=True)), STANDS, disclosures.c.recalls.is_(None)
    )
    .order_by(deliveries.c.id)
    .with_for_update(of=deliveries)
)
_LIVE_IDS: Final = sa.select(disclosures.c.id).where(
    disclosures.c.record_id.in_(sa.bindparam("records", expanding=True)), STANDS, disclosures.c.recalls.is_(None)
)
_RECALLED: Final = sa.select(disclosures.c.recalls).where(
    disclosures.c.record_id.in_(sa.bindparam("records", expanding=True)), disclosures.c.recalls.is_not(None)
)
_READING: Final = {"state": DeliveryState}
_SOME: Final = named_in(disclosures.c.id, "which")


def matter(tx: Connection, record_id: str, recipient_id: str, new_id: str) -> Matter:
    """The matter of a record and a recipient; a new one under `new_id` when there is none."""
    known = Matters(tx, record_id)
    found = known.of(recipient_id, lambda: new_id)
    known.store()
    return found


class Matters:
    """The matters of one record, read together when the first is asked for; new ones are stored together.

    A record that is `new` has none yet.
    """

    def __init__(self, tx: Connection, record_id: str, *, new: bool = False) -> None:
        self._tx, self._record_id = tx, record_id
        self._known: dict[str, Matter] | None = {} if new else None
        self._new: list[Matter] = []

    def of(self, recipient_id: str, mint: Callable[[], str]) -> Matter:
        """The matter toward a recipient; a new one, of a new id, when there is none."""
        if self._known is None:
            self._known = {one.recipient_id: one for one in matters_of(self._tx, self._record_id)}
        if recipient_id not in self._known:
            made = Matter(mint(), self._record_id, recipient_id, 0)
            self._known[recipient_id] = made
            self._new.append(made)
        return self._known[recipient_id]

    def store(self) -> None:
        """Store the new ones, before anything that is made in them."""
        rows.add(self._tx, matters, rows.columns_of(Matter.__slots__, self._new))
        self._new = []


def matters_of(tx: Connection, record_id: str) -> list[Matter]:
    """Everything any recipient was ever told about a record, a matter each."""
    return [Matter(**row) for row in tx.execute(_MATTERS, {"record": record_id}).mappings()]


def add(tx: Connection, vault: Vault, made: Disclosure, payload: bytes, salt: bytes) -> None:
    """Store a disclosure with its payload, sealed with its `salt` under the record's key, and count it in its matter.

    The log commits to the digest of the payload; without a `salt` it does not.
    """
    add_all(tx, vault, made.record_id, [(made, payload, salt)])


def add_all(tx: Connection, vault: Vault, record_id: str, made: Sequence[tuple[Disclosure, bytes, bytes]]) -> None:
    """The same of many about one record; those of one matter in their sequence."""
    if not made:
        return
    key = vault.key(tx, record_id)
    sealed = [key.seal(body, _place(one.id), vault.nonce(), salt) for one, body, salt in made]
    rows.add(tx, disclosures, {**rows.columns_of(Disclosure.__slots__, [one for one, *_ in made]), "sealed": sealed})
    last = {one.matter_id: one.sequence for one, *_ in made}
    _COUNT.tell(tx, *({"which": matter_id, "reached": sequence} for matter_id, sequence in last.items()))


def move(tx: Connection, disclosure_ids: Sequence[str], event: DisclosureEvent) -> None:
    """Let something happen to disclosures, each from where it is; what is already where that leads stays there.

    Raises `IllegalTransitionError` for any that cannot take the event; then nothing may be committed.
    """
    if not disclosure_ids:
        return
    some = {"which": disclosure_ids}
    tx.execute(_moving(event), some)
    if tx.execute(_elsewhere(event), some).first():
        raise IllegalTransitionError(f"A disclosure that is elsewhere cannot take the event {event}.")


def moving(event: DisclosureEvent) -> sa.Update:
    """The change of whatever disclosures can take this event."""
    to = {before.value: after.value for (what, before), after in DISCLOSURE_TRANSITIONS.items() if what is event}
    return (
        disclosures.update()
        .where(disclosures.c.state.in_(list(to)))
        .values(state=sa.case(to, value=disclosures.c.state))
    )


@functools.cache
def _moving(event: DisclosureEvent) -> sa.Update:
    return moving(event).where(_SOME)


@functools.cache
def _elsewhere(event: DisclosureEvent) -> sa.Select[Any]:
    there = {after.value for (what, _), after in DISCLOSURE_TRANSITIONS.items() if what is event}
    return sa.select(disclosures.c.id).where(_SOME, disclosures.c.state.not_in(there)).limit(1)


def live(tx: Connection, record_id: str) -> dict[str, Disclosure]:
    """What stands about a record, by recipient: at most one disclosure each, answers to questions left out."""
    return {row.recipient_id: _disclosure(row) for row in tx.execute(_LIVE, {"record": record_id})}


@dataclass(frozen=True, slots=True)
class UnderWay:
    """What stands for one recipient: its disclosure, and where the delivery (`id`) is. No more than deciding needs."""

    disclosure_id: str
    matter_id: str
    record_id: str
    recipient_id: str
    content_digest: str
    id: str
    state: DeliveryState


def under_way(tx: Connection, record_id: str) -> dict[str, UnderWay]:
    """What stands about a record, by recipient, as `live`; on PostgreSQL its deliveries are held until this commits."""
    found = tx.execute(_UNDER_WAY, {"record": record_id}).all()
    ones = [UnderWay(*values) for values in rows.read(found, UnderWay.__slots__, _READING)]
    return {one.recipient_id: one for one in ones}


def standing(tx: Connection, record_ids: Sequence[str]) -> dict[str, DeliveryState]:
    """The live disclosures of these records, and where their deliveries are, which stay there until this commits."""
    found = tx.execute(_STANDING, {"records": list(record_ids)}).all()
    return dict(rows.read(found, ("id", "state"), _READING))


def live_ids(tx: Connection, record_ids: Sequence[str]) -> set[str]:
    """The live disclosures of these records."""
    return set(tx.execute(_LIVE_IDS, {"records": list(record_ids)}).scalars())


def recalled(tx: Connection, record_ids: Sequence[str]) -> set[str]:
    """The disclosures of these records that were ever recalled."""
    return set(tx.execute(_RECALLED, {"records": list(record_ids)}).scalars())


def told(tx: Connection, matter_id: str) -> list[Disclosure]:
    """What a recipient may hold of a matter, in sequence: disclosures that left and were never recalled."""
    return [_disclosure(row) for row in tx.execute(_told().where(disclosures.c.matter_id == matter_id))]


def told_of(tx: Connection, record_id: str) -> dict[str, list[Disclosure]]:
    """What recipients may hold of a record: the same by matter."""
    found: dict[str, list[Disclosure]] = {}
    for row in tx.execute(_told_of(), {"record": record_id}):
        found.setdefault(row.matter_id, []).append(_disclosure(row))
    return found


def _told() -> sa.Select[Any]:
    recall = disclosures.alias()
    recalled = sa.exists().where(recall.c.recalls == disclosures.c.id, recall.c.matter_id == disclosures.c.matter_id)
    return (
        sa.select(*_COLUMNS)
        .join(deliveries, deliveries.c.disclosure_id == disclosures.c.id)
        .where(disclosures.c.recalls.is_(None), _left(), ~recalled)
        .order_by(disclosures.c.matter_id, disclosures.c.sequence)
    )


@functools.cache
def _told_of() -> sa.Select[Any]:
    return _told().where(disclosures.c.record_id == sa.bindparam("record"))


def sent(tx: Connection, record_ids: Sequence[str]) -> set[str]:
    """The disclosures about these records whose payload was on its way, recalls left out."""
    return set(_sent().firsts(tx, {"records": list(record_ids)}))


@functools.cache
def _sent() -> Ready:
    return Ready(
        sa.select(disclosures.c.id)
        .join(deliveries, deliveries.c.disclosure_id == disclosures.c.id)
        .where(named_in(disclosures.c.record_id, "records"), disclosures.c.recalls.is_(None), _left())
    )


def load(tx: Connection, disclosure_id: str) -> Disclosure | None:
    """One disclosure, or None."""
    row = tx.execute(sa.select(*_COLUMNS).where(disclosures.c.id == disclosure_id)).one_or_none()
    return None if row is None else _disclosure(row)


@dataclass(frozen=True, slots=True)
class SealedPayload:
    """A payload as stored, and the digest of what is in it."""

    id: str
    record_id: str
    sealed: bytes
    digest: str

    def open(self, keys: Keyring) -> bytes:
        """The payload. Raises `SealError` when its key is gone."""
        return keys.key(self.record_id).open(self.sealed, _place(self.id))


_PAYLOADS: Final = Ready(
    sa.select(*(disclosures.c[name] for name in SealedPayload.__slots__)).where(named_in(disclosures.c.id, "which"))
)


def sealed_payloads(tx: Connection, disclosure_ids: Sequence[str]) -> dict[str, SealedPayload]:
    """The payload of each of these disclosures."""
    return {row[0]: SealedPayload(*row) for row in _PAYLOADS.all(tx, {"which": list(disclosure_ids)})}


def payloads(tx: Connection, vault: Vault, disclosure_ids: Sequence[str]) -> dict[str, tuple[bytes, str]]:
    """Payload and digest of each disclosure. Raises `SealError` when a key is gone."""
    found = sealed_payloads(tx, disclosure_ids).values()
    keys = vault.keys(tx, {one.record_id for one in found})
    return {one.id: (one.open(keys), one.digest) for one in found}


@dataclass(frozen=True, slots=True)
class Listed:
    """A disclosure beside the state of its delivery; `left`: its payload was on its way at least once."""

    disclosure: Disclosure
    delivery_id: str
    state: str
    attempts: int
    deadline: datetime
    finished_at: datetime | None
    left: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """Which disclosures a question is about; None means any."""

    record_id: str | None = None
    recipient_id: str | None = None
    left: bool = False


def page(tx: Connection, wanted: Filter, after: str | None, limit: int) -> list[Listed]:
    """Disclosures and recalls that match, newest first, below `after`."""
    query = _with_delivery().order_by(disclosures.c.id.desc()).limit(limit)
    for column in ("record_id", "recipient_id"):
        if getattr(wanted, column) is not None:
            query = query.where(disclosures.c[column] == getattr(wanted, column))
    if wanted.left:
        query = query.where(_left())
    if after is not None:
        query = query.where(disclosures.c.id < after)
    return [_listed(row) for row in tx.execute(query)]


def listed(tx: Connection, disclosure_id: str) -> Listed | None:
    """One disclosure beside the state of its delivery, or None."""
    row = tx.execute(_with_delivery().where(disclosures.c.id == disclosure_id)).one_or_none()
    return None if row is None else _listed(row)


def several(tx: Connection, disclosure_ids: Sequence[str]) -> dict[str, Listed]:
    """Those of these disclosures and recalls that there are, by id."""
    found: dict[str, Listed] = {}
    for first in range(0, len(disclosure_ids), _AT_ONCE):
        query = _with_delivery().where(disclosures.c.id.in_(disclosure_ids[first : first + _AT_ONCE]))
        found |= {row.id: _listed(row) for row in tx.execute(query)}
    return found


def _left() -> sa.Exists:
    """Whether the payload was on its way: an announcement carries none."""
    return sa.exists().where(attempts.c.delivery_id == deliveries.c.id, attempts.c.kind != AttemptKind.ANNOUNCE)


def _with_delivery() -> sa.Select[Any]:
    return sa.select(
        *_COLUMNS,
        deliveries.c.id.label("delivery_id"),
        deliveries.c.state.label("delivery_state"),
        deliveries.c.attempts,
        deliveries.c.deadline,
        deliveries.c.finished_at,
        _left().label("left"),
    ).join(deliveries, deliveries.c.disclosure_id == disclosures.c.id)


def _listed(row: Any) -> Listed:  # noqa: ANN401 - a SQLAlchemy row
    delivery = (row.delivery_id, row.delivery_state, row.attempts, row.deadline, row.finished_at)
    return Listed(_disclosure(row), *delivery, row.left)


def _disclosure(row: Any) -> Disclosure:  # noqa: ANN401 - a SQLAlchemy row
    values = {name: getattr(row, name) for name in Disclosure.__slots__}
    values |= {"categories": tuple(row.categories), "decisions": tuple(row.decisions)}
    return Disclosure(**values | {"state": DisclosureState(row.state)})


def _place(disclosure_id: str) -> Place:
    return Place("disclosures", disclosure_id, "sealed")
