"""Which private key belongs to a certificate that an agency wants to be shown?

Sealed under the agency's own data key, found by the certificate alone; no question asked of this service shows one.
"""

import hashlib
from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.storage.endpoints_table import client_keys
from tiprouter.storage.vault import Place, SealError, Vault


def put(tx: Connection, vault: Vault, recipient_id: str, pair: tuple[str, str], now: datetime) -> None:
    """Keep the private key of a certificate (`pair`: certificate, private key; PEM texts)."""
    name = _name(pair[0])
    tx.execute(client_keys.delete().where(*_mine(recipient_id, name)))
    sealed = vault.key(tx, recipient_id).seal(pair[1].encode(), _place(recipient_id, name), vault.nonce())
    row = {"recipient_id": recipient_id, "certificate": name, "sealed": sealed, "created_at": now}
    tx.execute(client_keys.insert(), row)


def read(tx: Connection, vault: Vault, recipient_id: str, certificate: str) -> str:
    """The private key of a certificate of this recipient. Raises `SealError` when there is none."""
    name = _name(certificate)
    query = sa.select(client_keys.c.sealed).where(*_mine(recipient_id, name))
    sealed = tx.execute(query).scalar_one_or_none()
    if sealed is None:
        raise SealError("There is no private key for this certificate.")
    return vault.key(tx, recipient_id).open(sealed, _place(recipient_id, name)).decode()


def keep_only(tx: Connection, recipient_id: str, certificates: Collection[str]) -> None:
    """Forget every private key of this recipient but those of these certificates."""
    kept = [_name(one) for one in certificates if one]
    mine = client_keys.c.recipient_id == recipient_id
    tx.execute(client_keys.delete().where(mine, client_keys.c.certificate.not_in(kept)))


def _mine(recipient_id: str, name: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return client_keys.c.recipient_id == recipient_id, client_keys.c.certificate == name


def _name(certificate: str) -> str:
    return hashlib.sha256(certificate.encode()).hexdigest()


def _place(recipient_id: str, name: str) -> Place:
    return Place("client_keys", f"{recipient_id}#{name}", "sealed")
