"""What does somebody who is signed in do with their own account?

1. Another password takes the one of now, and a sign-in of the last fifteen minutes (`workflow/standing.py`). Tries of
   the one of now are counted like those to sign in: whoever finds a session open guesses no faster for it.
2. With another password every other session ends, and this one goes on under another token.
3. What is live is listed for its holder: since when, last used when, until when, in a browser or not. No address, no
   user agent: neither is kept.
4. One of them is ended by a holder who was asked again lately. Somebody else's is not there, like one that never was.
5. Each of these leaves its entry in the log.
"""

from dataclasses import dataclass, field

from tiprouter.audit.kinds import Kind
from tiprouter.domain.accounts import SignInWay
from tiprouter.errors import NotFoundError
from tiprouter.storage import accounts, sessions
from tiprouter.storage.accounts import Means
from tiprouter.storage.database import Database, Transaction
from tiprouter.storage.sessions import Session
from tiprouter.workflow.happening import Actor, Desk, happening
from tiprouter.workflow.local_sign_in import choosable
from tiprouter.workflow.passwords import SALT_BYTES, Hasher
from tiprouter.workflow.signing_in import Opened, OtherWayError, digest, mine, new_token
from tiprouter.workflow.standing import require_fresh
from tiprouter.workflow.trying import SignInRefusedError, Try, Who, begin_try, refuse, succeed


@dataclass(frozen=True, slots=True)
class Change:
    """The password of now, and the one to be."""

    current: str = field(repr=False)
    new: str = field(repr=False)


async def change_password(
    database: Database, desk: Desk, hasher: Hasher, actor: Actor, change: Change, source: str
) -> Opened:
    """Choose another password (rules 1 and 2); `source` is a blind index.

    Raises `StepUpNeededError`, `NoSessionError`, `OtherWayError`, `ThrottledError`, `SignInRefusedError`, and
    `InvalidError` at /new_password.
    """
    tried, before = await database.write(lambda tx: _begin(tx, desk, actor, change, source), quietly=True)
    right = await hasher.matches(change.current, before.password if before else None, desk.entropy(SALT_BYTES))
    kept = await hasher.hashed(change.new, desk.entropy(SALT_BYTES)) if right else None
    opened = await database.write(lambda tx: _settle(tx, desk, actor, tried, before, kept))
    if opened is None:
        raise SignInRefusedError
    return opened


def _begin(tx: Transaction, desk: Desk, actor: Actor, change: Change, source: str) -> tuple[Try, Means | None]:
    with happening(tx, desk, actor) as it:
        session, account = mine(tx, actor, it.now, lock=True)
        require_fresh(actor, it.now)
        if account.way is not SignInWay.LOCAL:
            raise OtherWayError
        choosable(it, account, change.new, "/new_password")
        tried = begin_try(it, Who(f"password:{session.id}", source, account))
        return tried, accounts.means(tx, desk.vault, account.id)


def _settle(
    tx: Transaction, desk: Desk, actor: Actor, tried: Try, before: Means | None, kept: str | None
) -> Opened | None:
    """Rules 2 and 5; nothing changes where the password was wrong, or was changed by somebody quicker."""
    with happening(tx, desk, actor) as it:
        account = accounts.load(tx, actor.id, lock=True)
        session, _ = mine(tx, actor, it.now, lock=True)
        if account is None or kept is None or before is None or accounts.means(tx, desk.vault, account.id) != before:
            refuse(it, tried, SignInWay.LOCAL.value, "password")
            return None
        accounts.keep_means(tx, desk.vault, account.id, Means(kept, before.one_time))
        token = new_token(desk)
        sessions.renew(tx, session.id, digest(token))
        ended = sessions.end_all(tx, account.id, it.now, but=session.id)
        succeed(it, tried, account.id)
        it.log(Kind.PASSWORD_CHANGED, {"account": account.id, "session": session.id, "sessions": ended})
        return Opened(token, session)


def live_sessions(tx: Transaction, desk: Desk, actor: Actor) -> tuple[Session, ...]:
    """The sessions of whoever asks, the one that began last first (rule 3). Raises `NoSessionError`."""
    now = desk.now()
    mine(tx, actor, now)
    return tuple(sessions.of(tx, actor.id, now))


def end_session(tx: Transaction, desk: Desk, actor: Actor, session_id: str) -> None:
    """End one session of one's own (rule 4). Raises `NoSessionError`, `StepUpNeededError`, `NotFoundError`."""
    with happening(tx, desk, actor) as it:
        mine(tx, actor, it.now)
        require_fresh(actor, it.now)
        found = sessions.load(tx, session_id, it.now, lock=True)
        if found is None or found.account_id != actor.id:
            raise NotFoundError
        ended = sessions.end(tx, session_id, it.now)
        it.log(Kind.SIGNED_OUT, {"account": actor.id, "session": session_id, "sessions": ended, "cause": "chosen"})
