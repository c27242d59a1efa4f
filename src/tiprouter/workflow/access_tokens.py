"""How does an OAuth client get an access token, and whom does it name? (RFC 6749 section 4.4, RFC 7523)

1. A client shows who it is by an assertion that one of its keys signed (`workflow/client_assertions.py`); its id
   (`jti`) is taken in the transaction that issues, so that it counts once, over all processes.
2. A token has 256 random bits and lives ten minutes; its SHA-256 is kept. It is good as long as its client is, and as
   long as the key that signed for it is one of the client's.
3. It covers what was asked for, which is at most what the client may use.
4. A client that is registered so gets tokens bound to the certificate it showed (RFC 8705 section 3), or none.
5. Every token issued is logged, by client and key.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain.accounts import AccountState
from tiprouter.errors import TiprouterError
from tiprouter.storage import access_tokens, accounts, callers
from tiprouter.storage.access_tokens import AccessToken
from tiprouter.storage.callers import Caller
from tiprouter.storage.database import Transaction
from tiprouter.workflow import client_assertions, presenting
from tiprouter.workflow.client_assertions import Claims, RefusedAssertionError
from tiprouter.workflow.happening import Actor, Desk, happening, moment
from tiprouter.workflow.presenting import Presented, Recognised, Refusal

LIFE: Final = timedelta(minutes=10)
SWEPT_MAX: Final = 500


class ScopeRefusedError(TiprouterError):
    """The client may not use all of what it asks for."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An assertion, to whom it must be addressed, the certificate shown beside it, and the scopes asked for."""

    assertion: str
    audience: frozenset[str]
    certificate: str | None = None
    scopes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A client that showed who it is."""

    client: Caller
    claims: Claims


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token, shown once; `scopes` None is everything that the client's role may use."""

    token: str
    life: timedelta
    scopes: frozenset[str] | None


def examine(tx: Transaction, wish: Wish, now: datetime) -> Shown:
    """Who asks (rule 1), without taking anything yet. Raises `RefusedAssertionError`."""
    named = client_assertions.client_named(wish.assertion)
    client = None if named is None else callers.load(tx, named)
    if client is None or client.jwks is None:
        raise RefusedAssertionError(Refusal.SIGNATURE)
    claims = client_assertions.checked(wish.assertion, client.id, client.jwks, wish.audience, now)
    if client.revoked_at is not None or holder_left(tx, client):
        raise RefusedAssertionError(Refusal.REVOKED, client.id)
    if client.waits:
        raise RefusedAssertionError(Refusal.WAITS, client.id)
    if client.certificate_bound and wish.certificate is None:
        raise RefusedAssertionError(Refusal.CERTIFICATE, client.id)
    return Shown(client, claims)


def issue(tx: Transaction, desk: Desk, wish: Wish, shown: Shown, of_role: Callable[[str], Collection[str]]) -> Issued:
    """A token (rules 1-5); `of_role` says what a role may use. Raises `RefusedAssertionError`, `ScopeRefusedError`."""
    # It may have been ended, or given other keys, since it was examined; from here on it is held.
    client = callers.hold(tx, shown.client.id)
    if client is None or shown.claims.key not in client_assertions.thumbprints(client.jwks or ()):
        raise RefusedAssertionError(Refusal.REVOKED, shown.client.id)
    scopes = client.scopes
    if wish.scopes is not None:
        if not wish.scopes <= frozenset(of_role(client.role) if scopes is None else scopes):
            raise ScopeRefusedError
        scopes = wish.scopes
    if desk.now() >= shown.claims.expires_at:  # its id may be forgotten by now
        raise RefusedAssertionError(Refusal.CLAIMS, client.id)
    if not access_tokens.use_once(tx, client.id, presenting.digest(shown.claims.jti), shown.claims.expires_at):
        raise RefusedAssertionError(Refusal.REPLAYED, client.id)
    with happening(tx, desk, Actor(client.id, client.role)) as it:
        token = presenting.ACCESS + presenting.spelt(desk.entropy(presenting.TOKEN_BYTES))
        bound_to = wish.certificate if client.certificate_bound else None
        ends = it.now + LIFE
        access_tokens.add(
            tx,
            AccessToken(presenting.digest(token), client.id, shown.claims.key, scopes, bound_to, it.now, ends),
        )
        it.log(Kind.TOKEN_ISSUED, {"client": client.id, "key": shown.claims.key, "until": moment(ends)})
    return Issued(token, LIFE, scopes)


def identify(tx: Transaction, presented: Presented, now: datetime) -> Recognised | None:
    """Whom an access token names (rule 2)."""
    token = access_tokens.find(tx, presenting.digest(presented.token))
    client = None if token is None else callers.load(tx, token.caller_id)
    if token is None or client is None:
        return None
    refusal = presenting.standing(
        now,
        expires_at=token.expires_at,
        revoked=client.revoked_at is not None or holder_left(tx, client),
        waits=client.waits,
        bound_to=token.certificate,
        shown=presented.certificate,
    )
    return Recognised(Actor(client.id, client.role, client.recipient_id, scopes=token.scopes), refusal)


def holder_left(tx: Transaction, caller: Caller) -> bool:
    """Whether the person in whose hands a credential is was suspended, or their account ended."""
    holder = None if caller.holder_id is None else accounts.load(tx, caller.holder_id)
    return holder is not None and holder.state in (AccountState.SUSPENDED, AccountState.ENDED)


def sweep(tx: Transaction, desk: Desk) -> int:
    """Forget tokens and assertions that have ended."""
    return access_tokens.sweep(tx, desk.now(), SWEPT_MAX)
