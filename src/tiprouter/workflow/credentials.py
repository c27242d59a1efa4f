"""Who may call, and how does one get a credential?

1. A token is shown once, when it is made; only its digest is kept. 256 random bits need no slow hash.
2. The first start of an empty service makes one operator credential; every other one is made by an operator's hand.
3. Making and ending credentials are happenings: they are logged like everything else.
"""

import base64
import hashlib
from enum import StrEnum, unique

from tiprouter.audit.kinds import Kind
from tiprouter.errors import InvalidError, NotFoundError
from tiprouter.storage import callers, registry
from tiprouter.storage.callers import Caller
from tiprouter.storage.database import Transaction
from tiprouter.workflow.happening import Actor, Desk, happening

TOKEN_BYTES = 32
PREFIX = "tr_"


@unique
class CallerRole(StrEnum):
    """What a credential is for.

    The operator runs the service, counsel writes and approves policy: neither reads a record. An agency sees its own
    only.
    """

    INTAKE = "intake"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"
    OPERATOR = "operator"
    AGENCY = "agency"
    COUNSEL = "counsel"


def make(
    tx: Transaction, desk: Desk, actor: Actor, role: CallerRole, recipient_id: str | None = None
) -> tuple[Caller, str]:
    """A new credential and its token, which nobody can be shown again.

    An agency's names its recipient, and no other role does. Raises `InvalidError`.
    """
    with happening(tx, desk, actor) as it:
        if (role is CallerRole.AGENCY) is (recipient_id is None):
            raise InvalidError("An agency's credential names its recipient, and no other does.", "/recipient_id")
        if recipient_id is not None and registry.load(tx, recipient_id) is None:
            raise InvalidError("This field names no recipient.", "/recipient_id")
        token = PREFIX + base64.urlsafe_b64encode(desk.entropy(TOKEN_BYTES)).rstrip(b"=").decode()
        caller = Caller(it.id("cal"), role.value, recipient_id)
        callers.add(tx, caller, digest(token), it.now)
        it.log(Kind.KEY_CREATED, {"key": caller.id, "purpose": "caller", "role": role.value})
        return caller, token


def first(tx: Transaction, desk: Desk, actor: Actor) -> str | None:
    """The bootstrap operator's token, if nobody has a credential yet (rule 2)."""
    return None if callers.everyone(tx) else make(tx, desk, actor, CallerRole.OPERATOR)[1]


def revoke(tx: Transaction, desk: Desk, actor: Actor, caller_id: str) -> None:
    """End a credential at once. Raises `NotFoundError`."""
    with happening(tx, desk, actor) as it:
        if not callers.revoke(tx, caller_id, it.now):
            raise NotFoundError
        it.log(Kind.KEY_REVOKED, {"key": caller_id, "purpose": "caller"})


def identify(tx: Transaction, token: str) -> Actor | None:
    """Who presents this token, unless it was ended or never made."""
    caller = callers.find(tx, digest(token))
    return None if caller is None else Actor(caller.id, caller.role, caller.recipient_id)


def digest(token: str) -> str:
    """What is kept of a token: SHA-256, hex."""
    return hashlib.sha256(token.encode()).hexdigest()
