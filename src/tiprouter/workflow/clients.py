"""Which systems sign in with keys of their own, and how are those keys replaced?

1. A client is a caller with public keys instead of a secret: nothing that is kept of it lets anybody in.
2. Its keys are replaced as a whole, by an operator, with an entry in the log; several may stand side by side, so that a
   new one is there before the old one goes.
3. Tokens that a key signed for end with it, at once.
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
from tiprouter.workflow.happening import Actor, Desk, happening
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
        credentials.admissible(it, client)
        callers.add(tx, client)
        it.log(
            Kind.CLIENT_REGISTERED,
            {
                "client": client.id,
                "role": client.role,
                "recipient": client.recipient_id,
                "keys": sorted(client_assertions.thumbprints(keys)),
                "holder": client.holder_id,
            },
        )
        return client


def replace_keys(tx: Transaction, desk: Desk, actor: Actor, client_id: str, jwks: Sequence[Jwk]) -> Caller:
    """Give a client these keys and no others (rules 2 and 3). Raises `NotFoundError`, `InvalidError`."""
    with happening(tx, desk, actor) as it:
        client = callers.hold(tx, client_id)
        if client is None or client.jwks is None:
            raise NotFoundError
        require_fresh(actor, it.now)
        credentials.within(actor, client)
        keys = client_assertions.registered(jwks)
        live = client_assertions.thumbprints(keys)
        callers.replace_keys(tx, client_id, keys)
        access_tokens.end_all_but(tx, client_id, live)
        it.log(Kind.CLIENT_KEYS, {"client": client_id, "keys": sorted(live)})
    changed = callers.load(tx, client_id)
    if changed is None:
        raise NotFoundError
    return changed


def listed(tx: Transaction, after: str | None, limit: int) -> list[Caller]:
    """Live clients, newest first."""
    return callers.page(tx, clients=True, after=after, limit=limit)
