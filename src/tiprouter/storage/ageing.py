"""What of each class of record is over, and how is a slice of it made unreadable?

1. Whatever is sealed belongs to one class (`class_of`); a test holds that equal to the schema. What hangs from a record
   is as old as its record; some of it has a shorter life of its own.
2. Each look takes a bounded slice by an index that holds nothing but what was not forgotten yet, the oldest first. On
   PostgreSQL it passes over what another story holds.
3. What a legal hold touches is passed over: rows of a held record, and of the other records that name its persons
   (`held`, `on_hold`, `persons_on_hold`). A hold says nothing of what was forgotten before it, so nobody waits here.
4. An accounting goes as a whole, with its record's persons. Rows stay where the log tells of them.

Answers, pages, consents and accounts forget in their own pages: `answers`, `pages`, `consents`, `accounts`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.retention import Retained
from tiprouter.domain.vocabulary import RecordKind
from tiprouter.storage.columns import SEALED
from tiprouter.storage.reviews_table import established
from tiprouter.storage.subjects_table import appearances, holds, subject_notices, suspensions
from tiprouter.storage.tables import attempts, decisions, deliveries, disclosures, records
from tiprouter.storage.vault import Vault

OF_RECORDS: Final = frozenset(
    {
        "revisions",
        "disclosures",
        "acknowledgements",
        "reviews",
        "duty_calls",
        "duty_letters",
        "duty_requests",
        "holds",
        "retries",
        "grants",
        "questions",
    }
)
"""Tables whose sealed rows go with their record and not before."""

OF_THEIR_OWN: Final[Mapping[str, Retained]] = MappingProxyType(
    {
        "attempts": Retained.SNIPPET,
        "answers": Retained.ANSWER,
        "subject_notices": Retained.NOTICE,
        "consents": Retained.CONSENT,
        "suspensions": Retained.ACCOUNTING,
        "accounts": Retained.ACCOUNT,
    }
)
"""Tables whose sealed rows have a period of their own; with a record that goes earlier, they go then."""

ABOUT_NOBODY: Final = frozenset({"signing_keys", "client_keys", "secrets"})
"""Keys, ours and for an agency: they are replaced, and tell of no person."""

_OF_KIND: Final = MappingProxyType({RecordKind.TIP: Retained.TIP, RecordKind.CASE: Retained.CASE})

on_hold: Final = (
    sa.select(appearances.c.record_id)
    .where(
        appearances.c.person_id.in_(
            sa.select(appearances.c.person_id)
            .join(holds, holds.c.record_id == appearances.c.record_id)
            .where(holds.c.released_at.is_(None))
        )
    )
    .union(sa.select(holds.c.record_id).where(holds.c.released_at.is_(None)))
)
"""The records that a hold touches (rule 3)."""

persons_on_hold: Final = (
    sa.select(appearances.c.person_id)
    .join(holds, holds.c.record_id == appearances.c.record_id)
    .where(holds.c.released_at.is_(None))
)
"""The persons whom a held record names, or did."""


def class_of(table: str, kind: RecordKind | None = None) -> Retained | None:
    """The class of a table's sealed rows (rule 1), those of a record by its kind; None where they tell of nobody.

    Raises `KeyError` for a table that has none.
    """
    if table in OF_RECORDS and kind is not None:
        return _OF_KIND[kind]
    return None if table in ABOUT_NOBODY else OF_THEIR_OWN[table]


def held(tx: Connection, record_id: str) -> bool:
    """Whether a hold touches this record (rule 3)."""
    mine = sa.select(appearances.c.person_id).where(appearances.c.record_id == record_id)
    named = sa.select(appearances.c.record_id).where(appearances.c.person_id.in_(mine))
    query = sa.select(holds.c.id).where(
        holds.c.released_at.is_(None), sa.or_(holds.c.record_id == record_id, holds.c.record_id.in_(named))
    )
    return tx.execute(query.limit(1)).first() is not None


def person_held(tx: Connection, person_id: str) -> bool:
    """Whether a hold touches this person (rule 3)."""
    query = persons_on_hold.where(appearances.c.person_id == person_id)
    return tx.execute(query.limit(1)).first() is not None


def forget_snippets(tx: Connection, until: datetime, limit: int) -> int:
    """Empty a slice of what endpoints answered to attempts that ended until then."""
    query = (
        sa.select(attempts.c.id)
        .join(deliveries, deliveries.c.id == attempts.c.delivery_id)
        .where(sa.text("attempts.sealed IS NOT NULL"), attempts.c.finished_at <= until)
        .where(deliveries.c.record_id.not_in(on_hold))
        .order_by(attempts.c.finished_at)
        .limit(limit)
    )
    return _empty(tx, attempts, query, sealed=None)


def forget_texts(tx: Connection, until: datetime, limit: int) -> int:
    """Empty a slice of what was said of notices to persons that were settled until then."""
    query = (
        sa.select(subject_notices.c.id)
        .where(sa.text("sealed IS NOT NULL AND state IN ('given', 'moot')"), subject_notices.c.changed_at <= until)
        .where(subject_notices.c.record_id.not_in(on_hold))
        .order_by(subject_notices.c.changed_at)
        .limit(limit)
    )
    return _empty(tx, subject_notices, query, sealed=None)


def forget_suspensions(tx: Connection, vault: Vault, until: datetime, now: datetime, limit: int) -> int:
    """Destroy a slice of who asked for suspensions that ended until then, each with its data key."""
    query = (
        sa.select(suspensions.c.id)
        .where(SEALED, suspensions.c.until <= until, suspensions.c.person_id.not_in(persons_on_hold))
        .order_by(suspensions.c.until)
        .limit(limit)
    )
    found = _found(tx, suspensions, query)
    if found:
        tx.execute(suspensions.update().where(suspensions.c.id.in_(found)).values(sealed=b""))
    for suspension_id in found:
        vault.destroy(tx, suspension_id, now)
    return len(found)


def accounted(tx: Connection, until: datetime, limit: int) -> list[str]:
    """Erased records whose accounting counts from then or before, the oldest first."""
    query = sa.select(records.c.id).where(records.c.erased_at.is_not(None), records.c.aged_from <= until)
    return list(tx.execute(query.order_by(records.c.aged_from, records.c.id).limit(limit)).scalars())


def forget_account(tx: Connection, record_id: str) -> None:
    """Rule 4, for one erased record that is locked by now: of whom it told, and from which facts, is gone."""
    nothing: list[str] = []
    tx.execute(
        decisions.update()
        .where(decisions.c.record_id == record_id)
        # Without its salt, the log's commitment to the facts can be tested against no guess.
        .values(facts=sa.null(), salt="")
    )
    told = {"categories": nothing, "decisions": nothing}
    tx.execute(disclosures.update().where(disclosures.c.record_id == record_id).values(**told))
    tx.execute(established.delete().where(established.c.record_id == record_id))
    tx.execute(appearances.delete().where(appearances.c.record_id == record_id))
    tx.execute(records.update().where(records.c.id == record_id).values(aged_from=None))


def _empty(tx: Connection, table: sa.Table, query: sa.Select[Any], **gone: Any) -> int:  # noqa: ANN401 - columns of the table
    found = _found(tx, table, query)
    if found:
        tx.execute(table.update().where(table.c.id.in_(found)).values(**gone))
    return len(found)


def _found(tx: Connection, table: sa.Table, query: sa.Select[Any]) -> Sequence[str]:
    return list(tx.execute(query.with_for_update(of=table, skip_locked=True)).scalars())
