"""Who has an account, in which state, and with what do they show who they are?

1. An account's name, address, password hash and one-time secret are sealed under its own data key.
2. A row that is about to change is held until the story commits.
3. An ended account keeps its label for a time, so that the log's ids can be read; what it signed in with is gone. Then
   the label and its data key go (`forget`), as does that of an invitation that nobody redeemed.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.accounts import AccountRole, AccountState, SignInWay
from tiprouter.storage.accounts_table import accounts, recovery_codes
from tiprouter.storage.vault import ErasedError, Place, Vault

_TABLE: Final = "accounts"


@dataclass(frozen=True, slots=True)
class Account:
    """One account, without what is sealed."""

    id: str
    role: AccountRole
    way: SignInWay
    state: AccountState
    name_index: str | None
    subject_index: str | None
    wanted_subject: str | None
    invitation: str | None
    invited_until: datetime
    invited_by: str
    step: int
    created_at: datetime
    seen_on: datetime | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Means:
    """With what somebody signs in here: an Argon2id hash (PHC string) and the secret of one-time codes."""

    password: str
    one_time: bytes


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose account it is; what they type to sign in is the address."""

    name: str
    email: str


_COLUMNS: Final = tuple(accounts.c[name] for name in Account.__slots__)


def add(tx: Connection, vault: Vault, made: Account, holder: Holder) -> bool:
    """Store an account under a new data key; False when its name has one that has not ended."""
    if made.name_index is not None and named(tx, made.name_index) is not None:
        return False
    key = vault.create(tx, made.id, made.created_at)
    label = json.dumps([holder.name, holder.email]).encode()
    sealed = key.seal(label, Place(_TABLE, made.id, "sealed"), vault.nonce())
    tx.execute(accounts.insert(), {name: getattr(made, name) for name in Account.__slots__} | {"sealed": sealed})
    return True


def load(tx: Connection, account_id: str, *, lock: bool = False) -> Account | None:
    """One account, or None; `lock` holds it (rule 2)."""
    return _one(tx, accounts.c.id == account_id, lock=lock)


def named(tx: Connection, name_index: str) -> Account | None:
    """Whose name this is."""
    return _one(tx, accounts.c.name_index == name_index)


def beside(tx: Connection, name_index: str) -> str | None:
    """Somebody with a password, always the same for the same name; None where nobody has one."""
    after = accounts.c.name_index > name_index
    query = sa.select(accounts.c.id).where(accounts.c.password.is_not(None), accounts.c.state == AccountState.ACTIVE)
    return tx.execute(query.order_by(after.desc(), accounts.c.name_index).limit(1)).scalar_one_or_none()


def bound(tx: Connection, subject_index: str) -> Account | None:
    """Whom an identity provider's subject was bound to."""
    return _one(tx, accounts.c.subject_index == subject_index)


def invited(tx: Connection, invitation: str) -> Account | None:
    """Whose invitation this is, held (rule 2)."""
    return _one(tx, accounts.c.invitation == invitation, lock=True)


def anybody(tx: Connection, role: str) -> bool:
    """Whether anybody with this role can sign in."""
    query = sa.select(accounts.c.id).where(accounts.c.role == role, accounts.c.state == AccountState.ACTIVE)
    return tx.execute(query.limit(1)).one_or_none() is not None


def ever(tx: Connection, role: str) -> list[str]:
    """The ids of all accounts of a role that somebody signed in with or could have, in the order of redeeming.

    First those from before that was written down, by their ids.
    """
    redeemed = sa.or_(accounts.c.redeemed_at.is_not(None), accounts.c.seen_on.is_not(None))
    been = sa.or_(accounts.c.state.in_((AccountState.ACTIVE, AccountState.SUSPENDED)), redeemed)
    order = (accounts.c.redeemed_at.asc().nulls_first(), accounts.c.id)
    return list(tx.execute(sa.select(accounts.c.id).where(accounts.c.role == role, been).order_by(*order)).scalars())


def active(tx: Connection, role: str) -> list[str]:
    """The ids of the accounts of a role that somebody can sign in with, oldest first."""
    return _ids(tx, accounts.c.role == role, accounts.c.state == AccountState.ACTIVE)


def page(tx: Connection, after: str | None, limit: int) -> list[Account]:
    """Accounts, newest first, below `after`."""
    query = sa.select(*_COLUMNS).order_by(accounts.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(accounts.c.id < after)
    return [_account(row) for row in tx.execute(query)]


def holder(tx: Connection, vault: Vault, account_id: str) -> Holder:
    """Whose account it is. Raises `ErasedError`."""
    sealed = tx.execute(sa.select(accounts.c.sealed).where(accounts.c.id == account_id)).scalar_one()
    name, email = json.loads(vault.key(tx, account_id).open(sealed, Place(_TABLE, account_id, "sealed")))
    return Holder(name, email)


def label(tx: Connection, vault: Vault, account_id: str) -> Holder | None:
    """Whose account it is, or None once that was forgotten."""
    try:
        return holder(tx, vault, account_id)
    except ErasedError:
        return None


def forget(tx: Connection, vault: Vault, until: datetime, now: datetime, limit: int) -> int:
    """Forget a slice of whose accounts they were that nobody can use, and nobody used after then (rule 3)."""
    query = (
        sa.select(accounts.c.id)
        .where(sa.text("length(sealed) > 0 AND state IN ('invited', 'ended')"), accounts.c.invited_until <= until)
        .where(sa.or_(accounts.c.seen_on.is_(None), accounts.c.seen_on <= until))
        .order_by(accounts.c.invited_until)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = list(tx.execute(query).scalars())
    if found:
        tx.execute(accounts.update().where(accounts.c.id.in_(found)).values(sealed=b""))
    for account_id in found:
        vault.destroy(tx, account_id, now)
    return len(found)


def change(tx: Connection, account_id: str, **values: Any) -> None:  # noqa: ANN401 - columns of the table
    """Set columns of one account."""
    tx.execute(accounts.update().where(accounts.c.id == account_id).values(**values))


def keep_means(tx: Connection, vault: Vault, account_id: str, means: Means) -> None:
    """Store what somebody signs in with (rule 1)."""
    key = vault.key(tx, account_id)
    sealed = {
        name: key.seal(plain, Place(_TABLE, account_id, name), vault.nonce())
        for name, plain in (("password", means.password.encode()), ("one_time", means.one_time))
    }
    change(tx, account_id, **sealed)


def means(tx: Connection, vault: Vault, account_id: str) -> Means | None:
    """With what somebody signs in, or None where nothing was chosen."""
    query = sa.select(accounts.c.password, accounts.c.one_time).where(accounts.c.id == account_id)
    row = tx.execute(query).one()
    if row.password is None:
        return None
    key = vault.key(tx, account_id)
    opened = {name: key.open(getattr(row, name), Place(_TABLE, account_id, name)) for name in ("password", "one_time")}
    return Means(opened["password"].decode(), opened["one_time"])


def keep_recovery(tx: Connection, account_id: str, digests: Iterable[str]) -> None:
    """Store these recovery codes in the place of all others."""
    tx.execute(recovery_codes.delete().where(recovery_codes.c.account_id == account_id))
    rows = [{"account_id": account_id, "digest": digest} for digest in digests]
    if rows:
        tx.execute(recovery_codes.insert(), rows)


def has_recovery(tx: Connection, account_id: str, digest: str) -> bool:
    """Whether this is an unused recovery code of an account."""
    mine = (recovery_codes.c.account_id == account_id, recovery_codes.c.digest == digest)
    return tx.execute(sa.select(recovery_codes.c.digest).where(*mine)).first() is not None


def use_recovery(tx: Connection, account_id: str, digest: str) -> bool:
    """Use a recovery code up; False when it is none."""
    mine = (recovery_codes.c.account_id == account_id, recovery_codes.c.digest == digest)
    return tx.execute(recovery_codes.delete().where(*mine)).rowcount == 1


def _ids(tx: Connection, *where: sa.ColumnElement[bool]) -> list[str]:
    return list(tx.execute(sa.select(accounts.c.id).where(*where).order_by(accounts.c.id)).scalars())


def _one(tx: Connection, where: sa.ColumnElement[bool], *, lock: bool = False) -> Account | None:
    query = sa.select(*_COLUMNS).where(where)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _account(row)


def _account(row: Any) -> Account:  # noqa: ANN401 - a SQLAlchemy row
    values = {name: getattr(row, name) for name in Account.__slots__}
    return Account(
        **values | {"role": AccountRole(row.role), "way": SignInWay(row.way), "state": AccountState(row.state)}
    )
