"""Was this request answered before?

1. An answer is stored in the transaction of its effect, under the caller, the route and the digest of the
   Idempotency-Key; it is sealed with the data key of what the request made, or one of its own.
2. A forgotten answer is emptied, and a data key of its own destroyed. Its row stays: whoever uses the key again is told
   that it was erased (`ErasedError`), and nothing is done twice.
3. The oldest are forgotten first, a slice at a time, but none that is about a held record or a person of one.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.errors import TiprouterError
from tiprouter.storage.ageing import on_hold, persons_on_hold
from tiprouter.storage.columns import SEALED
from tiprouter.storage.erasure import GONE
from tiprouter.storage.tables import answers
from tiprouter.storage.vault import Place, Vault

ALONE: Final = "ans"
"""The prefix of an owner that is nothing but the data key of one answer."""


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


def forget(tx: Connection, vault: Vault, until: datetime, now: datetime, limit: int) -> int:
    """Forget a slice of what was answered until then; how many that were (rules 2, 3)."""
    query = (
        sa.select(answers.c.caller, answers.c.route, answers.c.key_digest, answers.c.owner)
        .where(SEALED, answers.c.given_at <= until)
        .where(answers.c.owner.not_in(on_hold), answers.c.owner.not_in(persons_on_hold))
        .order_by(answers.c.given_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = [dict(row) for row in tx.execute(query).mappings()]
    if not found:
        return 0
    for row in found:
        if row["owner"].startswith(f"{ALONE}_"):
            vault.destroy(tx, row["owner"], now)
    which = [answers.c[name] == sa.bindparam(f"its_{name}") for name in ("caller", "route", "key_digest")]
    gone = answers.update().where(*which).values(sealed=b"", request_digest=GONE)
    tx.execute(gone, [{f"its_{name}": value for name, value in row.items() if name != "owner"} for row in found])
    return len(found)
