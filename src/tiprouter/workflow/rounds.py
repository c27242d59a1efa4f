"""How does somebody sign in by way of the identity provider?

1. A round begins with two secrets: the state, which goes there and comes back, and the holder's, which stays with who
   began. Both are kept as digests for ten minutes; any process may finish the round.
2. In a browser, the holder's secret is a cookie, and only that browser may bring the state back: nobody can be made to
   finish a round that another began. From a terminal, the browser that comes back gets no session but a short code,
   which the person carries to the terminal; it works there once, together with the holder's secret.
3. A state comes back once. What proves the code to be ours (PKCE) and the nonce derive from the state under a key of
   the service: neither is kept.
4. An account is found by issuer and subject, and by nothing else. An invitation binds them, once; where the operator
   named the subject, it is that one.
5. To step up, the same person signs in anew, and the session goes on under another token.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain.accounts import FRESH_FOR, AccountState, Carrier, SignInWay
from tiprouter.errors import TiprouterError
from tiprouter.storage import accounts, sessions, sign_ins
from tiprouter.storage.accounts import Account
from tiprouter.storage.database import Database, Transaction
from tiprouter.storage.sign_ins import Round
from tiprouter.workflow.happening import ROUTER, Actor, Desk, Happening, happening
from tiprouter.workflow.id_tokens import Identity, IdTokenError
from tiprouter.workflow.identity_provider import Asking, MixUpError, Provider
from tiprouter.workflow.local_sign_in import InvitationError, invitation_digest, invited_by_digest, redeemed
from tiprouter.workflow.people import subject_index
from tiprouter.workflow.signing_in import Opened, OtherWayError, make_fresh, mine, open_session
from tiprouter.workflow.trying import SignInRefusedError, take_back, try_from

ROUND_FOR: Final = timedelta(minutes=10)
_SECRET_BYTES: Final = 32
_HANDOVER_BYTES: Final = 5


class RoundError(TiprouterError):
    """This sign-in was not begun here, was finished, or ran out; begin again."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A round: what goes to the provider, and the secret of who began."""

    asking: Asking = field(repr=False)
    holder: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Returned:
    """What came of a round: a session for the browser that began it, or the code for a terminal."""

    opened: Opened | None
    handover: str = field(default="", repr=False)


def begin(
    tx: Transaction, desk: Desk, source: str, *, browser: bool, invitation: str = "", actor: Actor | None = None
) -> Begun:
    """Begin a round (rule 1); with an `actor`, to step up (rule 5).

    Raises `ThrottledError`, `InvitationError`; `NoSessionError` and `OtherWayError` of who steps up.
    """
    with happening(tx, desk, actor or ROUTER) as it:
        try_from(it, source)
        digest = invitation_digest(invitation) if invitation else None
        if digest is not None and invited_by_digest(it, digest, SignInWay.OIDC) is None:
            raise InvitationError
        if actor is not None and mine(tx, actor, it.now)[1].way is not SignInWay.OIDC:
            raise OtherWayError
        state, holder = _secret(desk), _secret(desk)
        made = Round(
            state=_digest(state),
            holder=_digest(holder),
            browser=browser,
            expires_at=it.now + ROUND_FOR,
            invitation=digest,
            session_id=None if actor is None else actor.session,
        )
        sign_ins.begin(tx, made)
        return Begun(_asking(desk, state, made), holder)


async def come_back(
    database: Database, desk: Desk, provider: Provider, answer: "Answer", holder: str, source: str
) -> Returned:
    """Finish a round with what the provider sent (rules 2-5); `holder` is the browser's secret, if it has one.

    Raises `RoundError`; `SignInRefusedError` for whomever nobody bound; `ProviderError`.
    """
    found = await database.write(lambda tx: _take(tx, desk, answer.state, holder), quietly=True)
    if found is None:
        raise RoundError
    if not answer.code:
        await database.write(lambda tx: _refuse(tx, desk, "provider"))
        raise SignInRefusedError
    try:
        who = await provider.exchange(_asking(desk, answer.state, found), answer.code, answer.issuer)
    except (IdTokenError, MixUpError) as error:
        cause = "mix-up" if isinstance(error, MixUpError) else "token"
        await database.write(lambda tx: _refuse(tx, desk, cause))
        raise SignInRefusedError from error
    returned = await database.write(lambda tx: _settle(tx, desk, provider, found, who, source))
    if returned is None:
        raise SignInRefusedError
    return returned


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from the provider by way of the browser; no code when it refused."""

    state: str = field(repr=False)
    code: str = field(default="", repr=False)
    issuer: str | None = None


def finish(tx: Transaction, desk: Desk, holder: str, handover: str) -> Opened | None:
    """The session of who began in a terminal (rule 2); None when it is not to be had, and the round is over then."""
    with happening(tx, desk, ROUTER) as it:
        found = sign_ins.by_holder(tx, _digest(holder))
        if found is None or found.handover is None or found.account_id is None or it.now >= found.expires_at:
            return None
        sign_ins.drop(tx, found.state)
        account = accounts.load(tx, found.account_id, lock=True)
        right = hmac.compare_digest(found.handover, _handover_digest(holder_digest=found.holder, code=handover))
        if account is None or account.state is not AccountState.ACTIVE or not right:
            return None
        it.actor = Actor(account.id, account.role.value)
        # Whoever types the code in showed who they are when the provider says, not now.
        return _signed_in(it, found, account, found.verified_at or it.now - FRESH_FOR)


def _take(tx: Transaction, desk: Desk, state: str, holder: str) -> Round | None:
    """The round of a state, which is used up with it (rules 2, 3)."""
    now = desk.now()
    found = sign_ins.by_state(tx, _digest(state))
    if found is None or found.returned_at is not None or now >= found.expires_at:
        return None
    if found.browser and not hmac.compare_digest(found.holder, _digest(holder)):
        return None
    sign_ins.change(tx, found.state, returned_at=now)
    return found


def _settle(
    tx: Transaction, desk: Desk, provider: Provider, found: Round, who: Identity, source: str
) -> Returned | None:
    index = subject_index(desk, provider.client.issuer, who.subject)
    with happening(tx, desk, ROUTER) as it:
        account = _account(it, found, index)
        if account is None:
            it.log(Kind.SIGN_IN_REFUSED, {"way": SignInWay.OIDC.value, "cause": "unbound"})
            return None
        it.actor = Actor(account.id, account.role.value)
        take_back(it, source)
        sign_ins.remember(tx, account.id, source, it.now)
        verified_at = who.verified_at or it.now - FRESH_FOR
        if found.browser:
            sign_ins.drop(tx, found.state)
            opened = _signed_in(it, found, account, verified_at)
            return None if opened is None else Returned(opened)
        code = base64.b32encode(desk.entropy(_HANDOVER_BYTES)).decode()
        digest = _handover_digest(holder_digest=found.holder, code=code)
        sign_ins.change(tx, found.state, account_id=account.id, handover=digest, verified_at=verified_at)
        return Returned(None, code)


def _account(it: Happening, found: Round, index: str) -> Account | None:
    """Rule 4, and 5: who steps up is who signed in."""
    account = accounts.bound(it.tx, index)
    if found.invitation is not None:
        account = None if account is not None else _bind(it, found.invitation, index)
    if account is None or account.state is not AccountState.ACTIVE or account.way is not SignInWay.OIDC:
        return None
    if found.session_id is not None:
        session = sessions.load(it.tx, found.session_id, it.now, lock=True)
        if session is None or session.account_id != account.id:
            return None
    return account


def _bind(it: Happening, invitation: str, index: str) -> Account | None:
    account = invited_by_digest(it, invitation, SignInWay.OIDC)
    if account is None or account.wanted_subject not in (None, index):
        return None
    it.actor = Actor(account.id, account.role.value)
    redeemed(it, account, index)
    return accounts.load(it.tx, account.id)


def _signed_in(it: Happening, found: Round, account: Account, verified_at: datetime) -> Opened | None:
    if found.session_id is None:
        carrier = Carrier.BROWSER if found.browser else Carrier.PROGRAM
        return open_session(it, account, verified_at, carrier)
    session = sessions.load(it.tx, found.session_id, it.now, lock=True)
    return None if session is None else make_fresh(it, session, SignInWay.OIDC)


def _refuse(tx: Transaction, desk: Desk, cause: str) -> None:
    with happening(tx, desk, ROUTER) as it:
        it.log(Kind.SIGN_IN_REFUSED, {"way": SignInWay.OIDC.value, "cause": cause})


def _asking(desk: Desk, state: str, of: Round) -> Asking:
    """Rule 3."""
    since = of.expires_at - ROUND_FOR if of.session_id is not None else None
    return Asking(state, desk.blind("oidc-nonce", state), desk.blind("oidc-verifier", state), since)


def _secret(desk: Desk) -> str:
    return base64.urlsafe_b64encode(desk.entropy(_SECRET_BYTES)).rstrip(b"=").decode()


def _digest(secret: str) -> str:
    return hashlib.sha256(f"round:{secret}".encode()).hexdigest()


def _handover_digest(*, holder_digest: str, code: str) -> str:
    bare = "".join(one for one in code.upper() if one.isalnum())
    return hashlib.sha256(f"{holder_digest}:{bare}".encode()).hexdigest()
