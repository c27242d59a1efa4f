"""Which deliveries did people ask to be tried again, and what became of each?

1. A retry of one delivery is a row: who asked, why, and what became of it. The person's note is sealed under the
   record's key.
2. A replay's items are written when it is proposed, and each is settled once, in the transaction that did it.
3. Of one agency at most one replay is unfinished.
4. Whoever works a replay holds its row; who stops it waits for that, and after the stop nothing more is made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.recovery import Became, RetryReason
from tiprouter.domain.replay_states import UNFINISHED, ReplayState
from tiprouter.domain.states import TERMINAL, DeliveryState
from tiprouter.domain.vocabulary import Urgency
from tiprouter.storage.recovery_table import replay_items, replays, retries
from tiprouter.storage.tables import deliveries, records
from tiprouter.storage.vault import Place, Vault

_UNFINISHED: Final = tuple(sorted(UNFINISHED))
_ENDED: Final = tuple(sorted(TERMINAL))


@dataclass(frozen=True, slots=True)
class Retry:
    """That one person asked for another try of one delivery."""

    id: str
    delivery_id: str
    record_id: str
    reason: RetryReason
    became: Became
    made_id: str | None
    asked_by: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Replay:
    """A proposed replay of one agency's deliveries, made in [since, until); a filter that is None means any."""

    id: str
    recipient_id: str
    since: datetime
    until: datetime
    states: tuple[DeliveryState, ...]
    reason: RetryReason
    state: ReplayState
    proposed_by: str
    proposed_at: datetime
    confirmed_by: str | None = None
    confirmed_at: datetime | None = None
    stopped_by: str | None = None
    ended_at: datetime | None = None
    urgency: Urgency | None = None
    result: str | None = None
    record_id: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One delivery of a replay; `found` is the state in which the proposal found it."""

    replay_id: str
    delivery_id: str
    record_id: str
    found: DeliveryState
    became: Became = Became.WAITING
    made_id: str | None = None
    done_at: datetime | None = None


def add_retry(tx: Connection, vault: Vault, made: Retry, note: str | None, salt: bytes) -> None:
    """Store a retry (rule 1), its note with its `salt`."""
    sealed = None
    if note is not None:
        place = Place("retries", made.id, "sealed")
        sealed = vault.key(tx, made.record_id).seal(note.encode(), place, vault.nonce(), salt)
    tx.execute(retries.insert(), {name: getattr(made, name) for name in Retry.__slots__} | {"sealed": sealed})


def retries_of(tx: Connection, vault: Vault, delivery_id: str, *, notes: bool) -> list[tuple[Retry, str | None]]:
    """Every retry of a delivery, first to last, with its note where it is wanted and was not erased."""
    rows = tx.execute(sa.select(retries).where(retries.c.delivery_id == delivery_id).order_by(retries.c.id)).all()
    found = []
    for row in rows:
        values = {name: getattr(row, name) for name in Retry.__slots__}
        retry = Retry(**values | {"reason": RetryReason(row.reason), "became": Became(row.became)})
        note = None
        if notes and row.sealed:
            note = vault.key(tx, row.record_id).open(row.sealed, Place("retries", row.id, "sealed")).decode()
        found.append((retry, note))
    return found


def propose(tx: Connection, replay: Replay, items: Sequence[Item]) -> None:
    """Store a proposal and everything it is about (rule 2)."""
    row = {name: getattr(replay, name) for name in Replay.__slots__}
    tx.execute(replays.insert(), row | {"states": [state.value for state in replay.states]})
    tx.execute(replay_items.insert(), [{name: getattr(item, name) for name in Item.__slots__} for item in items])


def change(tx: Connection, replay_id: str, **values: Any) -> None:  # noqa: ANN401 - columns of the table
    """Set columns of one replay."""
    tx.execute(replays.update().where(replays.c.id == replay_id).values(**values))


def load(tx: Connection, replay_id: str, *, lock: bool = False) -> Replay | None:
    """One replay, or None. `lock` holds it until this story commits (rule 4)."""
    query = sa.select(replays).where(replays.c.id == replay_id)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _replay(row)


def page(tx: Connection, after: str | None, limit: int) -> list[Replay]:
    """Replays, newest first, below `after`."""
    query = sa.select(replays).order_by(replays.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(replays.c.id < after)
    return [_replay(row) for row in tx.execute(query)]


def any_unfinished(tx: Connection, recipient_id: str | None = None) -> bool:
    """Whether any replay, or one of this agency, is unfinished."""
    query = sa.select(replays.c.id).where(_unfinished())
    if recipient_id is not None:
        query = query.where(replays.c.recipient_id == recipient_id)
    return tx.execute(query.limit(1)).first() is not None


def unfinished(tx: Connection) -> list[Replay]:
    """The replays that have not ended and that nobody else works at this moment (rule 4)."""
    query = sa.select(replays).where(_unfinished()).order_by(replays.c.id)
    return [_replay(row) for row in tx.execute(query.with_for_update(skip_locked=True))]


def next_items(tx: Connection, replay_id: str, limit: int) -> list[Item]:
    """What is to be done next, oldest first; on PostgreSQL only what nobody else holds, its records held from now."""
    query = (
        sa.select(replay_items)
        .join(records, records.c.id == replay_items.c.record_id)
        .where(replay_items.c.replay_id == replay_id, replay_items.c.became == Became.WAITING)
        .order_by(replay_items.c.delivery_id)
        .limit(limit)
        .with_for_update(of=records, key_share=True, skip_locked=True)
    )
    return [_item(row) for row in tx.execute(query)]


def settle(tx: Connection, item: Item, became: Became, made_id: str | None, now: datetime) -> None:
    """Write what became of an item (rule 2)."""
    mine = (replay_items.c.replay_id == item.replay_id, replay_items.c.delivery_id == item.delivery_id)
    tx.execute(replay_items.update().where(*mine).values(became=became, made_id=made_id, done_at=now))


def counted(tx: Connection, replay_id: str) -> tuple[Mapping[Became, int], Mapping[DeliveryState, int]]:
    """How many of a replay became what, and in which states its proposal found them."""
    mine = replay_items.c.replay_id == replay_id
    became = sa.select(replay_items.c.became, sa.func.count()).where(mine).group_by(replay_items.c.became)
    found = sa.select(replay_items.c.found, sa.func.count()).where(mine).group_by(replay_items.c.found)
    return (
        {Became(word): number for word, number in tx.execute(became)},
        {DeliveryState(word): number for word, number in tx.execute(found)},
    )


def under_way(tx: Connection, replay_id: str) -> int:
    """How many of the deliveries that a replay made have not ended."""
    query = (
        sa.select(sa.func.count())
        .select_from(replay_items)
        .join(deliveries, deliveries.c.id == replay_items.c.made_id)
        .where(replay_items.c.replay_id == replay_id, deliveries.c.state.not_in(_ENDED))
    )
    return tx.execute(query).scalar_one()


def _unfinished() -> sa.ColumnElement[bool]:
    """Written out, or SQLite would not see that the index holds it."""
    return replays.c.state.in_(sa.bindparam("unfinished", _UNFINISHED, expanding=True, literal_execute=True))


def _replay(row: Any) -> Replay:  # noqa: ANN401 - a SQLAlchemy row
    values = {name: getattr(row, name) for name in Replay.__slots__}
    return Replay(
        **values
        | {
            "states": tuple(map(DeliveryState, row.states)),
            "reason": RetryReason(row.reason),
            "state": ReplayState(row.state),
            "urgency": None if row.urgency is None else Urgency(row.urgency),
        }
    )


def _item(row: Any) -> Item:  # noqa: ANN401 - as above
    values = {name: getattr(row, name) for name in Item.__slots__}
    return Item(**values | {"found": DeliveryState(row.found), "became": Became(row.became)})
