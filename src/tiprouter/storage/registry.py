"""Which recipients are registered, and with which keys are their disclosures signed?

An agency's name and address are not personal data and stand open; its signing secrets are sealed under its own key.

Every decision asks who is registered, which changes a few times a day. So each change leaves a mark that no other
change ever leaves, and whoever was read under a mark is not read again while it stands.

Not promised: that a recipient changed beside this module, by hand or by a program from before the mark, is seen.
"""

import functools
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.recipient import Recipient, SignatureScheme
from tiprouter.domain.routing import Directory
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage.codec import from_bytes, from_plain, to_plain
from tiprouter.storage.columns import named_in
from tiprouter.storage.ready import Ready
from tiprouter.storage.tables import recipients, registry_mark, signing_keys
from tiprouter.storage.vault import Keyring, Place, Vault

READ_MAX: Final = 4_096
"""So many recipients are kept as they were read."""

DIRECTORIES_MAX: Final = 4
"""So many marks are remembered: the one that stands, and those of stories that are still told."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of one recipient: its id, its secret as the signer writes it, and the time in which it signs."""

    id: str
    recipient_id: str
    scheme: SignatureScheme
    secret: str
    begins_at: datetime
    ends_at: datetime | None = None


_DETAILS_OF: Final = sa.select(recipients.c.details).where(recipients.c.id == sa.bindparam("which"))
_DETAILS_HELD: Final = _DETAILS_OF.with_for_update(key_share=True)
_REVISIONS: Final = Ready(
    sa.select(recipients.c.id, recipients.c.revision)
    .where(named_in(recipients.c.id, "which"))
    .order_by(recipients.c.id)
    .with_for_update(read=True)
)


def put(tx: Connection, recipient: Recipient, now: datetime, mark: str) -> None:
    """Register a recipient (revision 1), or store a later revision in its place; `mark` is an id never used before."""
    # First: of two who change the registry at once the second waits here, and its mark stands for both.
    tx.execute(_LEAVE, {"mark": mark})
    values = {
        "kind": recipient.kind,
        "revision": recipient.revision,
        "delivery_mode": recipient.delivery_mode,
        "max_per_second": recipient.max_per_second,
        "max_at_once": recipient.max_at_once,
        "details": to_plain(recipient),
    }
    if recipient.revision == 1:
        tx.execute(recipients.insert(), {"id": recipient.id, "registered_at": now, **values})
    else:
        tx.execute(recipients.update().where(recipients.c.id == recipient.id).values(**values))


def load(tx: Connection, recipient_id: str, *, lock: bool = False) -> Recipient | None:
    """One recipient, or None. `lock` keeps others from changing it until this story commits."""
    row = tx.execute(_DETAILS_HELD if lock else _DETAILS_OF, {"which": recipient_id}).scalar_one_or_none()
    return None if row is None else from_plain(Recipient, row)


_DETAILS: Final = Ready(sa.select(recipients.c.id, recipients.c.details).where(named_in(recipients.c.id, "which")))


def details(tx: Connection, recipient_ids: Collection[str]) -> dict[str, Any]:
    """What is stored of each of these recipients, for `parse` to read."""
    return dict(_DETAILS.all(tx, {"which": sorted(recipient_ids)}))


def parse(stored: Any) -> Recipient:  # noqa: ANN401 - as JSON gives it
    """A recipient as it was stored."""
    return from_plain(Recipient, stored)


_MARK: Final = sa.select(registry_mark.c.mark).scalar_subquery()
_STANDS: Final = Ready(sa.select(_MARK))
_EVERYONE: Final = sa.select(_MARK, sa.cast(recipients.c.details, sa.Text)).order_by(recipients.c.id)
_LEAVE: Final = sa.text(
    "INSERT INTO registry_mark (id, mark) VALUES (1, :mark) ON CONFLICT (id) DO UPDATE SET mark = excluded.mark"
)
_directories: dict[str | None, Directory] = {}
_remembering: Final = threading.Lock()


def everyone(tx: Connection) -> Directory:
    """Every recipient, oldest first."""
    known = _directories.get(_STANDS.first(tx))
    if known is not None:
        return known
    rows = tx.execute(_EVERYONE).all()
    directory = Directory(_read(text) for _, text in rows)
    # The mark that was read with them: on PostgreSQL another one may have been left in between.
    if rows and rows[0][0] is not None:
        with _remembering:
            _directories[rows[0][0]] = directory
            for oldest in [*_directories][:-DIRECTORIES_MAX]:
                del _directories[oldest]
    return directory


@functools.lru_cache(maxsize=READ_MAX)
def _read(text: str) -> Recipient:
    """A recipient from the text it was stored as: of all who are read again, few were changed."""
    return from_bytes(Recipient, text.encode())


def revisions(tx: Connection, recipient_ids: Sequence[str]) -> dict[str, int]:
    """The current revision of each recipient; on PostgreSQL, held until this story commits."""
    return dict(_REVISIONS.all(tx, {"which": list(recipient_ids)}))


def kinds(tx: Connection, recipient_ids: Sequence[str]) -> dict[str, RecipientKind]:
    """The kind of each of these recipients."""
    query = sa.select(recipients.c.id, recipients.c.kind).where(recipients.c.id.in_(recipient_ids))
    return {row.id: RecipientKind(row.kind) for row in tx.execute(query)}


def page(tx: Connection, after: str | None, limit: int) -> list[Recipient]:
    """Recipients, newest first, below `after`."""
    query = sa.select(recipients.c.details).order_by(recipients.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(recipients.c.id < after)
    return [from_plain(Recipient, row) for row in tx.execute(query).scalars()]


def add_key(tx: Connection, vault: Vault, key: SigningKey) -> None:
    """Store a signing key; the recipient's first one under a new data key."""
    owner = key.recipient_id
    own = vault.key(tx, owner) if vault.known(tx, owner) else vault.create(tx, owner, key.begins_at)
    sealed = own.seal(key.secret.encode(), Place("signing_keys", key.id, "sealed"), vault.nonce())
    tx.execute(
        signing_keys.insert(),
        {
            "id": key.id,
            "recipient_id": key.recipient_id,
            "scheme": key.scheme,
            "sealed": sealed,
            "created_at": key.begins_at,
            "retired_at": key.ends_at,
        },
    )


def retire_key(tx: Connection, key_id: str, ends_at: datetime) -> None:
    """Say when a signing key ends."""
    tx.execute(signing_keys.update().where(signing_keys.c.id == key_id).values(retired_at=ends_at))


@dataclass(frozen=True, slots=True)
class SealedKeys:
    """Signing keys of several recipients, as stored; each recipient's are opened when they are asked for."""

    rows: Mapping[str, Sequence[Sequence[Any]]]
    keyring: Keyring

    def of(self, recipient_id: str) -> list[SigningKey]:
        """The recipient's signing keys that have not ended, newest first. Raises `SealError`."""
        key = self.keyring.key(recipient_id)
        return [
            SigningKey(
                id=key_id,
                recipient_id=recipient_id,
                scheme=SignatureScheme(scheme),
                secret=key.open(sealed, Place("signing_keys", key_id, "sealed")).decode(),
                begins_at=begins_at,
                ends_at=ends_at,
            )
            for key_id, scheme, sealed, begins_at, ends_at in self.rows.get(recipient_id, ())
        ]


_LIVE_KEYS: Final = Ready(
    sa.select(*(signing_keys.c[one] for one in ("recipient_id", "id", "scheme", "sealed", "created_at", "retired_at")))
    .where(
        named_in(signing_keys.c.recipient_id, "whose"),
        sa.or_(signing_keys.c.retired_at.is_(None), signing_keys.c.retired_at > sa.bindparam("now")),
    )
    .order_by(signing_keys.c.id.desc())
)


def sealed_keys(tx: Connection, vault: Vault, recipient_ids: Collection[str], now: datetime) -> SealedKeys:
    """The signing keys of these recipients that have not ended."""
    found: dict[str, list[Any]] = {}
    for recipient_id, *key in _LIVE_KEYS.all(tx, {"whose": sorted(recipient_ids), "now": now}):
        found.setdefault(recipient_id, []).append(key)
    return SealedKeys(found, vault.keys(tx, recipient_ids))


def keys_of(tx: Connection, vault: Vault, recipient_id: str, now: datetime) -> list[SigningKey]:
    """The recipient's signing keys that have not ended, newest first."""
    return sealed_keys(tx, vault, (recipient_id,), now).of(recipient_id)
