"""Who is signed in, and how does a session begin, stay and end?

1. A token is `ts_` and 256 random bits, shown once; only its SHA-256 is kept. Every sign-in makes a new one, and so
   does every step-up, which ends the old: what somebody planted before is worth nothing after.
2. The actor is the account, in whatever session: what takes two persons compares accounts.
3. A session is asked for anew with every request; who is suspended or ended, or signed out, is out with the next one.
4. That a session is used is remembered once a minute, and of an account only the day.
5. An account has so many sessions at once and no more (`SESSIONS_MAX`): a new one ends those that began first.
"""

import base64
import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain.accounts import SESSION_FOR, SESSIONS_MAX, Carrier, SignInWay
from tiprouter.domain.throttle import QUIET
from tiprouter.errors import ConflictError
from tiprouter.storage import accounts, sessions, sign_ins
from tiprouter.storage.accounts import Account
from tiprouter.storage.database import Transaction
from tiprouter.storage.sessions import Session
from tiprouter.workflow import one_time
from tiprouter.workflow.happening import Actor, Desk, Happening, happening
from tiprouter.workflow.trying import Try, Who, begin_try, refuse, succeed

PREFIX: Final = "ts_"
_TOKEN_BYTES: Final = 32
_SEEN_EVERY: Final = timedelta(minutes=1)
_KEPT_FOR: Final = timedelta(days=30)
_KNOWN_FOR: Final = timedelta(days=90)


class NoSessionError(ConflictError):
    """This is for people who signed in; what you present is a credential of its own."""


class OtherWayError(ConflictError):
    """This account shows who it is by the other way: one-time code or identity provider."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that just began or was made fresh, and its token, which nobody can be shown again."""

    token: str
    session: Session

    @property
    def ends_at(self) -> datetime:
        """When it ends, whatever happens."""
        return self.session.started_at + SESSION_FOR


def identify(tx: Transaction, token: str, now: datetime) -> Actor | None:
    """Who is signed in with this token, unless the session ended (rules 2 and 3)."""
    found = sessions.find(tx, digest(token), now)
    return None if found is None else actor_of(found)


def actor_of(session: Session) -> Actor:
    """The actor of a session (rule 2)."""
    return Actor(session.account_id, session.role.value, None, session.id, session.verified_at)


def unseen(tx: Transaction, token: str, now: datetime) -> Session | None:
    """The live session of a token, if it is time to remember that it is used (rule 4)."""
    found = sessions.find(tx, digest(token), now)
    return found if found is not None and found.seen_at <= now - _SEEN_EVERY else None


def see(tx: Transaction, session: Session, now: datetime) -> None:
    """Remember that a session is used (rule 4)."""
    sessions.see(tx, session, now)


def mine(tx: Transaction, actor: Actor, now: datetime, *, lock: bool = False) -> tuple[Session, Account]:
    """The session that somebody asks in, held or not, and their account. Raises `NoSessionError`."""
    session = None if actor.session is None else sessions.load(tx, actor.session, now, lock=lock)
    account = None if session is None else accounts.load(tx, session.account_id)
    if session is None or account is None:
        raise NoSessionError
    return session, account


def open_session(
    it: Happening, account: Account, verified_at: datetime, carrier: Carrier, cause: str | None = None
) -> Opened:
    """Sign an account in (rules 1 and 5)."""
    token = new_token(it.desk)
    session = Session(it.id("ses"), account.id, it.now, it.now, verified_at, account.role, carrier)
    sessions.add(it.tx, session, digest(token))
    sessions.see(it.tx, session, it.now)
    it.log(Kind.SIGNED_IN, {"account": account.id, "session": session.id, "way": account.way.value, "cause": cause})
    many = sessions.of(it.tx, account.id, it.now)[SESSIONS_MAX:]
    if many:
        ended = sum(sessions.end(it.tx, one.id, it.now) for one in many)
        it.log(Kind.SIGNED_OUT, {"account": account.id, "sessions": ended, "cause": "too-many"})
    return Opened(token, session)


def make_fresh(it: Happening, session: Session, way: SignInWay) -> Opened:
    """Another token for a session whose holder just showed who they are; the old one ends (rule 1)."""
    token = new_token(it.desk)
    sessions.verify(it.tx, session.id, digest(token), it.now)
    it.log(Kind.STEPPED_UP, {"account": session.account_id, "session": session.id, "way": way.value})
    return Opened(token, replace(session, seen_at=it.now, verified_at=it.now))


def begin_step_up(tx: Transaction, desk: Desk, actor: Actor, source: str) -> Try:
    """Count a one-time code before it is looked at. Raises `NoSessionError`, `OtherWayError`, `ThrottledError`."""
    with happening(tx, desk, actor) as it:
        session, account = mine(tx, actor, it.now, lock=True)
        if account.way is not SignInWay.LOCAL:
            raise OtherWayError
        # The session stands for the source: whoever holds it guesses against this account and nobody else.
        return begin_try(it, Who(f"step-up:{session.id}", source, account))


def step_up(tx: Transaction, desk: Desk, actor: Actor, tried: Try, code: str) -> Opened | None:
    """Make a session fresh by a one-time code; None when the code is wrong. Raises `NoSessionError`."""
    with happening(tx, desk, actor) as it:
        # The account is held before its session, as by whoever suspends it.
        account = accounts.load(tx, actor.id, lock=True)
        session, _ = mine(tx, actor, it.now, lock=True)
        if account is None or not second_factor(it, account, code):
            refuse(it, tried, SignInWay.LOCAL.value, "step-up")
            return None
        succeed(it, tried, account.id)
        return make_fresh(it, session, SignInWay.LOCAL)


def second_factor(it: Happening, account: Account, code: str) -> bool:
    """Whether this is the account's one-time code; its step is used up (`one_time`, rule 2). The row is held."""
    means = accounts.means(it.tx, it.vault, account.id)
    step = None if means is None else one_time.step_of(means.one_time, code, it.now, account.step)
    if step is None:
        return False
    accounts.change(it.tx, account.id, step=step)
    return True


def sign_out(tx: Transaction, desk: Desk, actor: Actor, *, everywhere: bool) -> int:
    """End this session, or all of its account's; how many. Raises `NoSessionError`."""
    with happening(tx, desk, actor) as it:
        if actor.session is None:
            raise NoSessionError
        ended = sessions.end_all(tx, actor.id, it.now) if everywhere else sessions.end(tx, actor.session, it.now)
        it.log(Kind.SIGNED_OUT, {"account": actor.id, "sessions": ended, "cause": "everywhere" if everywhere else None})
        return ended


def forget_old(tx: Transaction, desk: Desk) -> int:
    """A chore: forget sessions, tries and sources that are too old to matter; how many."""
    now = desk.now()
    gone = sign_ins.forget(tx, now - QUIET, now - _KNOWN_FOR, now)
    return gone + sessions.forget(tx, now - _KEPT_FOR)


def new_token(desk: Desk) -> str:
    """A new session's token (rule 1)."""
    return PREFIX + base64.urlsafe_b64encode(desk.entropy(_TOKEN_BYTES)).rstrip(b"=").decode()


def digest(token: str) -> str:
    """What is kept of a token: SHA-256, hex."""
    return hashlib.sha256(token.encode()).hexdigest()
