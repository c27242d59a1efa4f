"""Which systems sign in with keys of their own, and how are those keys replaced?

1. A client is a caller with public keys instead of a secret: nothing that is kept of it lets anybody in.
2. Its keys are replaced as a whole, by an operator, with an entry in the log; several may stand side by side, so that a
   new one is there before the old one goes.
3. A client, and other keys of one, wait until another operator confirms them, where a credential does
   (`workflow/credentials.py`, rule 6); until then the keys before are the client's.
4. Tokens that a key signed for end with it, at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tiprouter.audit.kinds import Kind
from tiprouter.errors import NotFoundError
from tiprouter.storage import access_tokens, callers
from tiprouter.storage.callers import Caller
from tiprouter.storage.database import Transaction
from tiprouter.workflow import client_assertions, credentials
from tiprouter.workflow.client_assertions import Jwk
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.happening import Actor, Desk, Happening, happening
from tiprouter.workflow.separation import (
    GivenBeforeError,
    GivenByYouError,
    NothingWaitsError,
    person,
    require_another,
    still_waits,
    word_for,
)
from tiprouter.workflow.standing import require_fresh


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client to register: `scopes` None is everything that its role may use."""

    role: CallerRole
    jwks: Sequence[Jwk]
    recipient_id: str | None = None
    label: str | None = None
    scopes: frozenset[str] | None = None
    certificate_bound: bool = False
    holder_id: str | None = None


def register(tx: Transaction, desk: Desk, actor: Actor, new: NewClient) -> Caller:
    """Register a client (rule 1). Raises `InvalidError`."""
    with happening(tx, desk, actor) as it:
        keys = client_assertions.registered(new.jwks)
        client = Caller(
            id=it.id("clt"),
            role=new.role.value,
            created_at=it.now,
            recipient_id=new.recipient_id,
            label=new.label,
            scopes=new.scopes,
            jwks=keys,
            certificate_bound=new.certificate_bound,
            holder_id=new.holder_id or credentials.own(tx, actor, new.role),
        )
        client, word = credentials.given(it, client)
        it.log(
            Kind.CLIENT_REGISTERED,
            {
                "client": client.id,
                "role": client.role,
                "recipient": client.recipient_id,
                "keys": sorted(client_assertions.thumbprints(keys)),
                "holder": client.holder_id,
                **word.said,
            },
        )
        return client


def replace_keys(tx: Transaction, desk: Desk, actor: Actor, client_id: str, jwks: Sequence[Jwk]) -> Caller:
    """Give a client these keys and no others (rules 2 to 4).

    Raises `NotFoundError`, `InvalidError`, `GivenBeforeError`.
    """
    with happening(tx, desk, actor) as it:
        client = callers.hold(tx, client_id)
        if client is None or client.jwks is None:
            raise NotFoundError
        require_fresh(actor, it.now)
        credentials.within(actor, client)
        keys = client_assertions.registered(jwks)
        if client.waits or still_waits(client.next_at, it.now):
            raise GivenBeforeError
        word = word_for(it, client)
        if word.waits:
            callers.propose_keys(tx, client_id, keys, person(tx, actor.id), it.now)
        else:
            _put(it, client_id, keys)
        live = sorted(client_assertions.thumbprints(keys))
        it.log(Kind.CLIENT_KEYS, {"client": client_id, "keys": live, **word.said})
    return _load(tx, client_id)


def confirm(tx: Transaction, desk: Desk, actor: Actor, client_id: str) -> Caller:
    """Another operator's word for a client, or for the keys that wait to be its (rules 3 and 4).

    Raises `NotFoundError`, `NothingWaitsError`, `GivenByYouError`, `StepUpNeededError`.
    """
    with happening(tx, desk, actor) as it:
        require_fresh(actor, it.now)
        client = callers.hold(tx, client_id)
        if client is None or client.jwks is None:
            raise NotFoundError
        since, asked_by = (client.created_at, client.made_by) if client.waits else (client.next_at, client.next_by)
        if not still_waits(since, it.now) or not (client.waits or client.next_jwks):
            raise NothingWaitsError
        require_another(it, GivenByYouError, asked_by)
        keys = client.next_jwks or client.jwks
        callers.confirmed(tx, client_id)
        if client.next_jwks:
            _put(it, client_id, keys)
        it.log(
            Kind.CALLER_CONFIRMED,
            {
                "subject": client_id,
                "what": "client" if client.waits else "client-keys",
                "role": client.role,
                "recipient": client.recipient_id,
                "keys": sorted(client_assertions.thumbprints(keys)),
                "holder": client.holder_id,
                "proposer": asked_by,
            },
        )
    return _load(tx, client_id)


def _put(it: Happening, client_id: str, keys: Sequence[Jwk]) -> None:
    callers.replace_keys(it.tx, client_id, keys)
    access_tokens.end_all_but(it.tx, client_id, client_assertions.thumbprints(keys))


def _load(tx: Transaction, client_id: str) -> Caller:
    found = callers.load(tx, client_id)
    if found is None:
        raise NotFoundError
    return found


def listed(tx: Transaction, after: str | None, limit: int) -> list[Caller]:
    """Live clients, newest first."""
    return callers.page(tx, clients=True, after=after, limit=limit)
