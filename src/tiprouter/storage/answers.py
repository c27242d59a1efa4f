"""Was this request answered before?

1. An answer is stored in the transaction of its effect, under the caller, the route and the digest of the
   Idempotency-Key; it is sealed with the data key of what the request made, or one of its own.
2. A forgotten answer is emptied, and a data key of its own destroyed. Its row stays: whoever uses the key again is told
   that it was erased (`ErasedError`), and nothing is done twice.
3. On PostgreSQL whoever looks holds the request until its transaction ends (an advisory lock, asked for by the same
   statement); another process that looks meanwhile is told so (`TakenError`) before it does any work. The unique key
   of the row is what keeps two answers apart all the same.
4. The oldest are forgotten first, a slice at a time, but none that is about a held record or a person of one.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.errors import TiprouterError
from tiprouter.storage import rows
from tiprouter.storage.ageing import on_hold, persons_on_hold
from tiprouter.storage.columns import SEALED
from tiprouter.storage.erasure import GONE
from tiprouter.storage.ready import Ready
from tiprouter.storage.tables import answers
from tiprouter.storage.vault import Place, Vault

_ITS: Final = [answers.c[name] == sa.bindparam(f"its_{name}") for name in ("caller", "route", "key_digest")]
_GIVEN: Final = [answers.c[name] for name in ("owner", "request_digest", "status", "sealed")]
_FIND: Final = Ready(sa.select(sa.true(), *_GIVEN).where(*_ITS))
_LOCK: Final = sa.func.pg_try_advisory_xact_lock(sa.bindparam("lock", type_=sa.BigInteger))
_HOLDING: Final = sa.select(_LOCK.label("held")).subquery()
_FIND_HELD: Final = Ready(sa.select(_HOLDING.c.held, *_GIVEN).select_from(_HOLDING.outerjoin(answers, sa.and_(*_ITS))))

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

    @property
    def lock(self) -> int:
        """The number of its advisory lock: 64 bits, so that two requests, or one and another lock, never meet."""
        return int.from_bytes(hashlib.sha256(self.row.encode()).digest()[:8], "big", signed=True)


@dataclass(frozen=True, slots=True)
class Given:
    """An answer already given, and the digest of the request it answered."""

    request_digest: str
    status: int
    body: bytes


class TakenError(TiprouterError):
    """Another process is giving an answer under this key, or gave it at the same time."""


def find(tx: Connection, vault: Vault, asked: Asked) -> Given | None:
    """The answer this caller got for this key, or None. Raises `TakenError` (rule 3)."""
    its = {"its_caller": asked.caller, "its_route": asked.route, "its_key_digest": asked.key_digest}
    row = _FIND_HELD.one(tx, {**its, "lock": asked.lock}) if tx.dialect.name == "postgresql" else _FIND.one(tx, its)
    if row is None:
        return None
    held, owner, request_digest, status, sealed = row
    if owner is None:
        if not held:
            raise TakenError
        return None
    return Given(request_digest, status, vault.key(tx, owner).open(sealed, Place("answers", asked.row, "sealed")))


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
        rows.add_one(tx, answers, row)
    except sa.exc.IntegrityError as error:
        raise TakenError from error


def forget(tx: Connection, vault: Vault, until: datetime, now: datetime, limit: int) -> int:
    """Forget a slice of what was answered until then; how many that were (rules 2, 4)."""
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
    gone = answers.update().where(*_ITS).values(sealed=b"", request_digest=GONE)
    tx.execute(gone, [{f"its_{name}": value for name, value in row.items() if name != "owner"} for row in found])
    return len(found)
