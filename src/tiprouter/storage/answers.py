"""Was this request answered before?

An answer is stored in the transaction of its effect, under the caller, the route and the digest of the Idempotency-Key;
it is sealed with the data key of what the request made.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.errors import TiprouterError
from tiprouter.storage.tables import answers
from tiprouter.storage.vault import Place, Vault


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked what: the caller's id, the route, and SHA-256 digests of the key and of the body."""

    caller: str
    route: str
    key_digest: str
    request_digest: str

    @property
    def row(self) -> str:
        """The row's name inside seals."""
        return f"{self.caller}#{self.route}#{self.key_digest}"


@dataclass(frozen=True, slots=True)
class Given:
    """An answer already given, and the digest of the request it answered."""

    request_digest: str
    status: int
    body: bytes


class TakenError(TiprouterError):
    """Another process gave an answer under this key at the same time."""


def find(tx: Connection, vault: Vault, asked: Asked) -> Given | None:
    """The answer this caller got for this key, or None."""
    row = tx.execute(
        sa.select(answers).where(
            answers.c.caller == asked.caller,
            answers.c.route == asked.route,
            answers.c.key_digest == asked.key_digest,
        )
    ).one_or_none()
    if row is None:
        return None
    body = vault.key(tx, row.owner).open(row.sealed, Place("answers", asked.row, "sealed"))
    return Given(row.request_digest, row.status, body)


def remember(tx: Connection, vault: Vault, asked: Asked, owner: str, answer: tuple[int, bytes], now: datetime) -> None:
    """Store an answer (status and body), sealed under the data key of `owner`."""
    status, body = answer
    row = {
        "caller": asked.caller,
        "route": asked.route,
        "key_digest": asked.key_digest,
        "request_digest": asked.request_digest,
        "owner": owner,
        "status": status,
        "sealed": vault.key(tx, owner).seal(body, Place("answers", asked.row, "sealed"), vault.nonce()),
        "given_at": now,
    }
    try:
        tx.execute(answers.insert(), row)
    except sa.exc.IntegrityError as error:
        raise TakenError from error
