"""How does somebody sign in with a password and a one-time code, and how do they come to have them?

1. Both are always asked for. Which of name, password and code was wrong is never told, nor is it in the time it takes:
   for a name that nobody has, what belongs to somebody else is looked up and unwrapped, and thrown away.
2. An invitation is good once and for 72 hours. Redeeming it chooses a password and shows the one-time secret; a code of
   that secret confirms it, and only then is the account active and the invitation gone. Until then it may be redeemed
   again, by whoever holds it.
3. Recovery codes are shown once, at the confirmation. Who has neither code nor phone is invited anew, as a new account.
4. The hash is made between two transactions; the second looks at everything again: a password that was changed in
   between opens nothing.
5. With the first operator's account the credential ends that the first start made: it is nobody's in particular, and
   would be a second person in the hands of whoever kept it.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain.accounts import (
    AccountEvent,
    AccountRole,
    AccountState,
    Carrier,
    SignInWay,
    next_account_state,
)
from tiprouter.domain.password import Unfit, normal, unfit
from tiprouter.errors import ConflictError, InvalidError
from tiprouter.storage import accounts, callers, sign_ins
from tiprouter.storage.accounts import Account, Holder, Means
from tiprouter.storage.database import Database, Transaction
from tiprouter.workflow import one_time, trying
from tiprouter.workflow.happening import ROUTER, Actor, Desk, Happening, happening
from tiprouter.workflow.passwords import SALT_BYTES, Hasher, blocked
from tiprouter.workflow.signing_in import Opened, open_session, second_factor
from tiprouter.workflow.trying import SignInRefusedError, Try, Who, begin_try, refuse, succeed

_TOLD: Final = {
    Unfit.SHORT: "A password has at least eight characters.",
    Unfit.LONG: "A password has at most 256 characters.",
    Unfit.BLOCKED: "This password is among those that are tried first.",
    Unfit.CONTEXT: "A password holds neither your name nor the service's.",
}


class InvitationError(ConflictError):
    """This invitation is unknown, was used, or ran out; ask for another one."""


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody types: a one-time code, or a recovery code in its place."""

    name: str
    password: str = field(repr=False)
    code: str = field(default="", repr=False)
    recovery: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Offered:
    """The one-time secret of a redeemed invitation: as a link for apps, and as people type it."""

    link: str = field(repr=False)
    secret: str = field(repr=False)


async def sign_in(
    database: Database, desk: Desk, hasher: Hasher, said: Said, source: str, carrier: Carrier = Carrier.PROGRAM
) -> Opened:
    """Sign in (rules 1, 4); `source` is a blind index. Raises `SignInRefusedError`, `ThrottledError`."""
    tried, means = await database.write(lambda tx: _begin(tx, desk, said, source), quietly=True)
    right = await hasher.matches(said.password, means.password if means else None, desk.entropy(SALT_BYTES))
    opened = await database.write(lambda tx: _finish(tx, desk, tried, said, means if right else None, carrier))
    if opened is None:
        raise SignInRefusedError
    return opened


def name_index(desk: Desk, email: str) -> str:
    """The blind index of what somebody types as their name."""
    return desk.blind("sign-in", normal(email).strip().casefold())


def _begin(tx: Transaction, desk: Desk, said: Said, source: str) -> tuple[Try, Means | None]:
    with happening(tx, desk, ROUTER) as it:
        index = name_index(desk, said.name)
        account = accounts.named(tx, index)
        usable = account is not None and _usable(account)
        beside = accounts.beside(tx, index)
        asked = account.id if usable and account is not None else beside
        digest = one_time.recovery_digest(said.recovery)
        certain = bool(said.recovery) and accounts.has_recovery(tx, "" if account is None else account.id, digest)
        tried = begin_try(it, Who(index, source, account), certain=certain)
        means = None if asked is None else accounts.means(tx, desk.vault, asked)
        return tried, means if usable else None


def _finish(
    tx: Transaction, desk: Desk, tried: Try, said: Said, right: Means | None, carrier: Carrier
) -> Opened | None:
    """`right` is what the password was compared with, if it was that."""
    known = tried.who.account
    actor = ROUTER if known is None or right is None else Actor(known.id, known.role.value)
    with happening(tx, desk, actor) as it:
        account = None if known is None or right is None else accounts.load(tx, known.id, lock=True)
        if account is None or not _stands(it, account, right) or not _second(it, account, said):
            refuse(it, tried, SignInWay.LOCAL.value, "means")
            return None
        succeed(it, tried, account.id)
        return open_session(it, account, it.now, carrier, "recovery" if said.recovery else None)


def _stands(it: Happening, account: Account, right: Means | None) -> bool:
    return _usable(account) and accounts.means(it.tx, it.vault, account.id) == right


def _usable(account: Account) -> bool:
    return account.way is SignInWay.LOCAL and account.state is AccountState.ACTIVE


def _second(it: Happening, account: Account, said: Said) -> bool:
    if said.recovery:
        return accounts.use_recovery(it.tx, account.id, one_time.recovery_digest(said.recovery))
    return second_factor(it, account, said.code)


async def redeem(
    database: Database, desk: Desk, hasher: Hasher, invitation: str, password: str, source: str
) -> Offered:
    """Choose a password (rule 2). Raises `InvitationError`, `ThrottledError`, `InvalidError` at /password."""
    if not await database.write(lambda tx: _fits(tx, desk, invitation, password, source), quietly=True):
        raise InvitationError
    kept = await hasher.hashed(password, desk.entropy(SALT_BYTES))
    return await database.write(lambda tx: _choose(tx, desk, invitation, kept))


def _fits(tx: Transaction, desk: Desk, invitation: str, password: str, source: str) -> bool:
    with happening(tx, desk, ROUTER) as it:
        account = invited(it, invitation, SignInWay.LOCAL)
        if account is None:
            trying.try_from(it, source)
            return False
        choosable(it, account, password, "/password")
        return True


def choosable(it: Happening, account: Account, password: str, pointer: str) -> None:
    """Let a password through that the account's holder may choose. Raises `InvalidError` at `pointer`."""
    holder = accounts.holder(it.tx, it.vault, account.id)
    why = unfit(password, blocked(), _names(holder))
    if why is not None:
        raise InvalidError(_TOLD[why], pointer)


def _choose(tx: Transaction, desk: Desk, invitation: str, kept: str) -> Offered:
    with happening(tx, desk, ROUTER) as it:
        account = invited(it, invitation, SignInWay.LOCAL)
        if account is None:
            raise InvitationError
        secret = desk.entropy(one_time.SECRET_BYTES)
        accounts.keep_means(tx, desk.vault, account.id, Means(kept, secret))
        holder = accounts.holder(tx, desk.vault, account.id)
        return Offered(one_time.link(secret, holder.email), one_time.spelt(secret))


def confirm(tx: Transaction, desk: Desk, invitation: str, code: str, source: str) -> tuple[Account, tuple[str, ...]]:
    """Show a code of the new secret (rules 2, 3): the account, and its recovery codes.

    Raises `InvitationError`, `InvalidError` at /code, `ThrottledError`.
    """
    with happening(tx, desk, ROUTER) as it:
        account = invited(it, invitation, SignInWay.LOCAL)
        if account is None or accounts.means(tx, desk.vault, account.id) is None:
            raise InvitationError
        it.actor = Actor(account.id, account.role.value)
        if not second_factor(it, account, code):
            raise InvalidError("This is not the code of this moment.", "/code")
        codes = one_time.recovery_codes(desk.entropy)
        accounts.keep_recovery(tx, account.id, map(one_time.recovery_digest, codes))
        redeemed(it, account)
        sign_ins.remember(tx, account.id, source, it.now)
        return account, codes


def invited(it: Happening, invitation: str, way: SignInWay) -> Account | None:
    """Whose invitation this is, held, if it may still be redeemed this way."""
    return invited_by_digest(it, invitation_digest(invitation), way)


def invited_by_digest(it: Happening, digest: str, way: SignInWay) -> Account | None:
    """The same, by what is kept of the invitation."""
    account = accounts.invited(it.tx, digest)
    if account is None or account.way is not way or account.state is not AccountState.INVITED:
        return None
    if account.waits:  # for another operator's word (`workflow/people.py`)
        return None
    return account if it.now < account.invited_until else None


def redeemed(it: Happening, account: Account, subject_index: str | None = None) -> None:
    """The invitation is gone, the account active."""
    state = next_account_state(account.state, AccountEvent.REDEEM)
    accounts.change(it.tx, account.id, state=state, invitation=None, subject_index=subject_index, redeemed_at=it.now)
    said = {"account": account.id, "role": account.role.value, "way": account.way.value}
    it.log(Kind.ACCOUNT_REDEEMED, said)
    if account.role is AccountRole.OPERATOR:
        _end_first_credential(it)


def _end_first_credential(it: Happening) -> None:
    """Rule 5."""
    for one in callers.everyone(it.tx):
        if one.role == AccountRole.OPERATOR and one.made_by == ROUTER.id and one.holder_id is None:
            callers.revoke(it.tx, one.id, it.now)
            it.log(Kind.KEY_REVOKED, {"key": one.id, "purpose": "caller"})


def invitation_digest(invitation: str) -> str:
    """What is kept of an invitation: SHA-256, hex."""
    return hashlib.sha256(f"invitation:{invitation.strip()}".encode()).hexdigest()


def _names(holder: Holder) -> tuple[str, ...]:
    return holder.name, holder.email.partition("@")[0]
