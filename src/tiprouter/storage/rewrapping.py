"""Which data keys are wrapped by which key-encryption key, and how does one get another wrapping?

1. Re-wrapping changes no data key and nothing that one sealed: only the 40 or so bytes that are in its row.
2. A wrapping is exchanged only where the very bytes still stand that were unwrapped (`exchange`): a key that was
   destroyed or renewed meanwhile is left as it is, and a second runner finds nothing to exchange.
3. `exchange` waits for nobody: rows that another story holds are left for the next look, so that no two stories wait
   for each other in a circle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.storage.key_providers import Wrapped
from tiprouter.storage.tables import data_keys, secrets
from tiprouter.storage.vault import Vault, secret_owner


@dataclass(frozen=True, slots=True)
class Wrapping:
    """How an owner's key is wrapped: a data key's owner, or a secret's name; `kek_id` None where it was not noted."""

    name: str
    secret: bool
    kek_id: str | None
    data: bytes


def counts(tx: Connection) -> dict[str, tuple[int, int]]:
    """How many data keys and how many secrets each key-encryption key wraps, by its id ("" where none was noted)."""
    live = sa.select(data_keys.c.kek_id, sa.func.count()).where(data_keys.c.destroyed_at.is_(None))
    keys = {row[0]: row[1] for row in tx.execute(live.group_by(data_keys.c.kek_id))}
    own = sa.select(secrets.c.kek_id, sa.func.count()).group_by(secrets.c.kek_id)
    ours = {row[0] or "": row[1] for row in tx.execute(own)}
    return {kek_id: (keys.get(kek_id, 0), ours.get(kek_id, 0)) for kek_id in sorted({*keys, *ours})}


def outdated(tx: Connection, current: str, after: str, limit: int) -> list[Wrapping]:
    """Data keys that another key than `current` wraps, by owner after `after`."""
    query = (
        sa.select(data_keys.c.owner, data_keys.c.kek_id, data_keys.c.wrapped)
        .where(data_keys.c.kek_id != current, data_keys.c.destroyed_at.is_(None), data_keys.c.owner > after)
        .order_by(data_keys.c.owner)
        .limit(limit)
    )
    return [Wrapping(row.owner, secret=False, kek_id=row.kek_id, data=row.wrapped) for row in tx.execute(query)]


def outdated_secrets(tx: Connection, current: str) -> list[Wrapping]:
    """The same of the service's own secrets, of which there are few."""
    query = sa.select(secrets).where(sa.or_(secrets.c.kek_id != current, secrets.c.kek_id.is_(None)))
    return [Wrapping(row.name, secret=True, kek_id=row.kek_id, data=row.wrapped) for row in tx.execute(query)]


def rewrapped(vault: Vault, one: Wrapping) -> Wrapped:
    """The same key under the newest key-encryption key; outside any transaction, since a key service may be slow.

    Raises `SealError`, `KeysUnavailableError`.
    """
    if one.secret:
        return vault.wrap(secret_owner(one.name), vault.opened_secret(one.name, one.kek_id, one.data))
    return vault.wrap(one.name, vault.opened(one.name, Wrapped(one.kek_id or "", one.data)))


def exchange(tx: Connection, made: Sequence[tuple[Wrapping, Wrapped]]) -> Mapping[str, int]:
    """Put new wrappings in the place of the very ones they were made from (rules 2, 3); how many from each old key."""
    free = _free(tx, [old.name for old, _ in made if not old.secret])
    done: dict[str, int] = {}
    for old, new in made:
        if not old.secret and old.name not in free:
            continue
        table, name = (secrets, secrets.c.name) if old.secret else (data_keys, data_keys.c.owner)
        change = table.update().where(name == old.name, table.c.wrapped == old.data)
        if not old.secret:
            change = change.where(data_keys.c.destroyed_at.is_(None))
        if tx.execute(change.values(wrapped=new.data, kek_id=new.kek_id)).rowcount:
            done[old.kek_id or ""] = done.get(old.kek_id or "", 0) + 1
    return done


def _free(tx: Connection, owners: Sequence[str]) -> set[str]:
    query = sa.select(data_keys.c.owner).where(data_keys.c.owner.in_(owners)).with_for_update(skip_locked=True)
    return set(tx.execute(query).scalars())
