"""How does an auditor get to see one matter, and who says so?

1. An auditor asks for themselves, counsel for an auditor they name: one record, a reason, and until when, at most
   fourteen days.
2. Two other people approve: reviewers or counsel, not the one who asked, and not the same one twice. Only then is it
   open. Where the first of them may not call any more by then, theirs is no word, and the next one is the first.
3. Anybody who may approve, whoever asked and the auditor may revoke it; it ends at once, before the next read.
4. It ends by itself at its time: a read asks the clock, and a chore writes it down.
5. Every step leaves an entry in the transaction that takes it. The reason is sealed, and committed to in the log.
6. An auditor sees their own grants. Any other one is not there, exactly as one that nobody ever asked for.

Who counts as another person is `workflow/separation.py`'s.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain.accounts import AccountRole, AccountState
from tiprouter.domain.grant_states import (
    LASTS_AT_MOST,
    UNENDED,
    GrantEvent,
    GrantState,
    grant_state_at,
    next_grant_state,
)
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.storage import accounts, callers, erasure, grants, records
from tiprouter.storage.database import Transaction
from tiprouter.storage.grants import Grant
from tiprouter.workflow import standing
from tiprouter.workflow.accessing import seen
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.happening import ROUTER, Actor, Desk, Happening, happening, moment
from tiprouter.workflow.inquiry import Page
from tiprouter.workflow.separation import Act, OnePersonError, ended, require_another

AT_ONCE: Final = 100
_APPROVERS: Final = frozenset({CallerRole.REVIEWER.value, CallerRole.COUNSEL.value})


class GrantEndedError(ConflictError):
    """The grant is open or has ended; look at it again."""


class NotAnotherError(OnePersonError):
    """Two other people approve a grant: you asked for this one, or approved it already."""

    act = Act.GRANT


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; `auditor` None means whoever asks."""

    record_id: str
    auditor: str | None
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A grant as it is at this moment, and why it was asked for (None once erased)."""

    grant: Grant
    reason: str | None


def ask(tx: Transaction, desk: Desk, actor: Actor, wanted: Wanted) -> Grant:
    """Ask for a grant (rule 1). Raises `InvalidError`."""
    with happening(tx, desk, actor) as it:
        if not it.now < wanted.until <= it.now + LASTS_AT_MOST:
            raise InvalidError("A grant ends later than now and within fourteen days.", "/until")
        if not records.known(tx, wanted.record_id) or erasure.erased_at(tx, wanted.record_id) is not None:
            raise InvalidError("This field names no record that is kept.", "/record")
        made = Grant(
            it.id("grt"), wanted.record_id, _auditor(it, wanted), GrantState.ASKED, wanted.until, actor.id, it.now
        )
        salt, commitment = it.salted(wanted.reason.encode())
        grants.add(tx, desk.vault, made, wanted.reason, salt)
        it.log(Kind.GRANT_ASKED, about(made) | {"until": moment(made.until), "commitment": commitment})
        return made


def approve(tx: Transaction, desk: Desk, actor: Actor, grant_id: str) -> Grant:
    """One person's word of the two (rule 2).

    Raises `NotFoundError`, `GrantEndedError`, `NotAnotherError`, `StepUpNeededError`.
    """
    with happening(tx, desk, actor) as it:
        standing.require_fresh(actor, it.now)
        made = _held(it, grant_id)
        if made.state not in (GrantState.ASKED, GrantState.APPROVED):
            raise GrantEndedError
        stands = made.approved_by is not None and not ended(tx, made.approved_by)
        require_another(it, NotAnotherError, made.asked_by, made.approved_by if stands else None, made.auditor)
        state = next_grant_state(made.state, GrantEvent.APPROVE)
        if not stands:
            done = replace(made, state=GrantState.APPROVED, approved_by=actor.id, approved_at=it.now)
            it.log(Kind.GRANT_APPROVED, about(done))
        else:
            done = replace(made, state=state, opened_by=actor.id, opened_at=it.now)
            said = {"until": moment(done.until), "approver": done.approved_by}
            it.log(Kind.GRANT_OPENED, about(done) | said)
        _store(it, done)
        return done


def revoke(tx: Transaction, desk: Desk, actor: Actor, grant_id: str) -> Grant:
    """End a grant at once (rule 3). Raises `NotFoundError`, `GrantEndedError`."""
    with happening(tx, desk, actor) as it:
        made = _held(it, grant_id)
        if made.state not in UNENDED:
            raise GrantEndedError
        state = next_grant_state(made.state, GrantEvent.REVOKE)
        done = replace(made, state=state, revoked_by=actor.id, ended_at=it.now)
        _store(it, done)
        it.log(Kind.GRANT_REVOKED, about(done) | {"state": made.state.value})
        return done


def expire_grants(tx: Transaction, desk: Desk) -> int:
    """A chore: write down that grants are over (rule 4); how many were."""
    with happening(tx, desk, ROUTER) as it:
        over = grants.over(tx, it.now, AT_ONCE)
        for made in over:
            _store(it, replace(made, state=next_grant_state(made.state, GrantEvent.EXPIRE), ended_at=made.until))
            it.log(Kind.GRANT_EXPIRED, about(made) | {"state": made.state.value})
        return len(over)


def show(tx: Transaction, desk: Desk, actor: Actor, grant_id: str) -> Shown:
    """One grant with its reason (rule 6). Raises `NotFoundError`."""
    with happening(tx, desk, actor) as it:
        made = visible(grants.load(tx, grant_id), actor)
        seen(it, "grant", 1, grant_id)
        return Shown(_now(it, made), grants.reason(tx, desk.vault, made))


def list_grants(tx: Transaction, desk: Desk, actor: Actor, after: str | None, limit: int) -> Page[Grant]:
    """Grants without their reasons, newest first (rule 6)."""
    with happening(tx, desk, actor) as it:
        rows = grants.page(tx, None if actor.role in _APPROVERS else actor.id, after, limit + 1)
        kept = tuple(_now(it, one) for one in rows[:limit])
        seen(it, "grants", len(kept))
        return Page(kept, kept[-1].id if len(rows) > limit else None)


def visible(made: Grant | None, actor: Actor) -> Grant:
    """The grant, if the actor may know of it (rule 6). Raises `NotFoundError`."""
    if made is None or (actor.role not in _APPROVERS and actor.id not in (made.auditor, made.asked_by)):
        raise NotFoundError
    return made


def about(made: Grant) -> dict[str, str]:
    """What every entry about a grant says."""
    return {"grant": made.id, "record": made.record_id, "auditor": made.auditor}


def _auditor(it: Happening, wanted: Wanted) -> str:
    """Whom the matter is to be opened to (rule 1). Raises `InvalidError`."""
    asks_for_themselves = wanted.auditor in (None, it.actor.id)
    if it.actor.role == CallerRole.AUDITOR and asks_for_themselves:
        return it.actor.id
    named = wanted.auditor
    if it.actor.role == CallerRole.AUDITOR or named is None or not _is_auditor(it.tx, named):
        raise InvalidError("This field names no auditor for whom you may ask.", "/auditor")
    return named


def _is_auditor(tx: Transaction, caller_id: str) -> bool:
    """Whether this is an auditor who may call now: by a key of their own, or by signing in."""
    account = accounts.load(tx, caller_id)
    if account is not None:
        return account.state is AccountState.ACTIVE and account.role is AccountRole.AUDITOR
    return any(one.id == caller_id and one.role == CallerRole.AUDITOR for one in callers.everyone(tx))


def _held(it: Happening, grant_id: str) -> Grant:
    """A grant, held, as it is now; nobody finds out here that one exists which is not theirs to see."""
    return _now(it, visible(grants.load(it.tx, grant_id, lock=True), it.actor))


def _now(it: Happening, made: Grant) -> Grant:
    """Rule 4."""
    state = grant_state_at(made.state, made.until, it.now)
    return made if state is made.state else replace(made, state=state, ended_at=made.until)


def _store(it: Happening, done: Grant) -> None:
    changed = ("state", "approved_by", "approved_at", "opened_by", "opened_at", "revoked_by", "ended_at")
    grants.change(it.tx, done.id, **{name: getattr(done, name) for name in changed})
