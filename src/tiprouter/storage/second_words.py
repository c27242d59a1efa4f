"""What did somebody ask another person's word for, and who said it?

Whoever changes a row holds it: two who say or use it at once are one after the other.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.second_word_states import ByTwo, SecondWordState
from tiprouter.storage.second_words_table import second_words


@dataclass(frozen=True, slots=True)
class SecondWord:
    """One row as stored: `act` may be done to `subject` by whoever asked, once another said so, before `until`."""

    id: str
    act: ByTwo
    subject: str
    state: SecondWordState
    until: datetime
    asked_by: str
    asked_at: datetime
    said_by: str | None = None
    said_at: datetime | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None

    def waits(self, now: datetime) -> bool:
        """Whether another person may still say it."""
        return self.state is SecondWordState.ASKED and now < self.until


_COLUMNS: Final = tuple(second_words.c[name] for name in SecondWord.__slots__)


def add(tx: Connection, made: SecondWord) -> None:
    """Store what was asked."""
    tx.execute(second_words.insert(), {name: getattr(made, name) for name in SecondWord.__slots__})


def change(tx: Connection, word_id: str, **values: Any) -> None:  # noqa: ANN401 - columns of the table
    """Set columns of one row."""
    tx.execute(second_words.update().where(second_words.c.id == word_id).values(**values))


def load(tx: Connection, word_id: str) -> SecondWord | None:
    """One row, or None."""
    row = tx.execute(sa.select(*_COLUMNS).where(second_words.c.id == word_id)).one_or_none()
    return None if row is None else _word(row)


def hold(tx: Connection, word_id: str) -> SecondWord | None:
    """One row, held until this story commits, or None."""
    row = tx.execute(sa.select(*_COLUMNS).where(second_words.c.id == word_id).with_for_update()).one_or_none()
    return None if row is None else _word(row)


def said(tx: Connection, act: ByTwo, subject: str, now: datetime) -> list[SecondWord]:
    """What another person said of this act and subject and is not over, newest first, held."""
    about = (second_words.c.subject == subject, second_words.c.act == act, second_words.c.until > now)
    query = sa.select(*_COLUMNS).where(*about, second_words.c.state == SecondWordState.SAID)
    return [_word(row) for row in tx.execute(query.order_by(second_words.c.id.desc()).with_for_update())]


def page(
    tx: Connection, acts: Collection[ByTwo], after: str | None, limit: int, waits_at: datetime | None = None
) -> list[SecondWord]:
    """What was asked of these acts, newest first, below `after`; all of it, or what waits at a moment."""
    query = sa.select(*_COLUMNS).where(second_words.c.act.in_(sorted(acts))).order_by(second_words.c.id.desc())
    if waits_at is not None:
        query = query.where(second_words.c.state == SecondWordState.ASKED, second_words.c.until > waits_at)
    if after is not None:
        query = query.where(second_words.c.id < after)
    return [_word(row) for row in tx.execute(query.limit(limit))]


def _word(row: Any) -> SecondWord:  # noqa: ANN401 - a SQLAlchemy row
    values = dict(zip(SecondWord.__slots__, row, strict=True))
    return SecondWord(**values | {"act": ByTwo(values["act"]), "state": SecondWordState(values["state"])})
