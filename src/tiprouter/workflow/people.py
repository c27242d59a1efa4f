"""How does the staff get accounts, and lose them?

1. An operator invites; the invitation's code is shown once. Nobody else can make an account, and no account can be
   given another role: who needs one is invited anew, after the old account has ended.
2. Nobody has two accounts at once: one name, and one subject of the identity provider, is one account's.
3. Suspending and ending an account ends every session of it at once.
4. Nobody makes, suspends, restores or ends their own account; a person who does it for others showed who they are
   within the last fifteen minutes (`workflow/standing.py`).
5. An invitation opens nothing until another operator confirmed it (`workflow/separation.py`, rules 4 and 5); its 72
   hours begin then. Its code is told to who invited, as a credential's token is to who made it.
6. Who the accounts' holders are is for operators to read, and for nobody else.

Not promised: that two operators invite no second self of one of them under another name. The log holds every
invitation and who made and confirmed it, and people read it.
"""

import base64
from dataclasses import dataclass, replace
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain.accounts import (
    INVITATION_FOR,
    AccountEvent,
    AccountRole,
    AccountState,
    SignInWay,
    next_account_state,
)
from tiprouter.domain.states import IllegalTransitionError
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.storage import accounts, sessions
from tiprouter.storage.accounts import Account, Holder
from tiprouter.storage.database import Transaction
from tiprouter.workflow.happening import Actor, Desk, happening, moment
from tiprouter.workflow.local_sign_in import invitation_digest, name_index
from tiprouter.workflow.separation import (
    Act,
    GivenByYouError,
    NothingWaitsError,
    OnePersonError,
    require_another,
    word,
)
from tiprouter.workflow.standing import require_fresh

_INVITATION: Final = "ti_"
_INVITATION_BYTES: Final = 20
_KINDS: Final = {
    AccountEvent.SUSPEND: Kind.ACCOUNT_SUSPENDED,
    AccountEvent.RESTORE: Kind.ACCOUNT_RESTORED,
    AccountEvent.END: Kind.ACCOUNT_ENDED,
}


class OwnAccountError(OnePersonError):
    """Somebody else does this to your account."""

    act = Act.ACCOUNT


class AccountStateError(ConflictError):
    """This cannot happen to the account now."""


class NameTakenError(ConflictError):
    """There is an account of this name; end it first."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An account that is asked for; `subject` is the identity provider's, with its issuer, where it is known."""

    role: AccountRole
    way: SignInWay
    holder: Holder
    subject: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """An account, and whose it is where that may be told (rule 6)."""

    account: Account
    holder: Holder | None


def invite(tx: Transaction, desk: Desk, actor: Actor, wanted: Wanted) -> tuple[Account, str]:
    """A new account and its invitation, which nobody can be shown again (rules 1, 2, 4, 5).

    Raises `InvalidError`, `NameTakenError`, `OwnAccountError`, `StepUpNeededError`.
    """
    with happening(tx, desk, actor) as it:
        require_fresh(actor, it.now)
        if actor.scopes is not None and wanted.role == actor.role:
            raise InvalidError("You may pass on no more than you may use yourself.", "/role")
        if wanted.subject is not None and wanted.way is not SignInWay.OIDC:
            raise InvalidError("Who signs in here has no subject elsewhere.", "/subject")
        code = _INVITATION + base64.urlsafe_b64encode(desk.entropy(_INVITATION_BYTES)).rstrip(b"=").decode()
        second = word(it)
        account = Account(
            id=it.id("acc"),
            role=wanted.role,
            way=wanted.way,
            state=AccountState.INVITED,
            name_index=name_index(desk, wanted.holder.email),
            subject_index=None,
            wanted_subject=None if wanted.subject is None else subject_index(desk, *wanted.subject),
            invitation=invitation_digest(code),
            invited_until=it.now + INVITATION_FOR,
            invited_by=actor.id,
            step=0,
            created_at=it.now,
            waits=second.waits,
        )
        if not accounts.add(tx, desk.vault, account, wanted.holder):
            raise NameTakenError
        said = {"account": account.id, "role": account.role.value, "way": account.way.value}
        it.log(Kind.ACCOUNT_INVITED, said | {"until": moment(account.invited_until), **second.said})
        return account, code


def confirm(tx: Transaction, desk: Desk, actor: Actor, account_id: str) -> Account:
    """Another operator's word for an invitation (rule 5).

    Raises `NotFoundError`, `NothingWaitsError`, `GivenByYouError`, `StepUpNeededError`.
    """
    with happening(tx, desk, actor) as it:
        require_fresh(actor, it.now)
        account = accounts.load(tx, account_id, lock=True)
        if account is None:
            raise NotFoundError
        if not account.waits or account.state is not AccountState.INVITED or it.now >= account.invited_until:
            raise NothingWaitsError
        require_another(it, GivenByYouError, account.invited_by)
        confirmed = replace(account, waits=False, invited_until=it.now + INVITATION_FOR)
        accounts.change(tx, account_id, waits=False, invited_until=confirmed.invited_until)
        said = {"subject": account_id, "what": "invitation", "role": account.role.value}
        it.log(Kind.CALLER_CONFIRMED, said | {"proposer": account.invited_by})
        return confirmed


def subject_index(desk: Desk, issuer: str, subject: str) -> str:
    """The blind index of somebody at an identity provider."""
    return desk.blind("oidc-subject", issuer, subject)


def move(tx: Transaction, desk: Desk, actor: Actor, account_id: str, event: AccountEvent) -> Account:
    """Suspend, restore or end an account (rules 3, 4).

    Raises `NotFoundError`, `OwnAccountError`, `AccountStateError`, `StepUpNeededError`.
    """
    with happening(tx, desk, actor) as it:
        account = accounts.load(tx, account_id, lock=True)
        if account is None:
            raise NotFoundError
        require_another(it, OwnAccountError, account.id)
        require_fresh(actor, it.now)
        try:
            state = next_account_state(account.state, event)
        except IllegalTransitionError as error:
            raise AccountStateError from error
        ended = sessions.end_all(tx, account.id, it.now)
        accounts.change(tx, account.id, state=state)
        if event is AccountEvent.END:
            gone = {"invitation": None, "name_index": None, "subject_index": None, "password": None, "one_time": None}
            accounts.change(tx, account.id, **gone)
            accounts.keep_recovery(tx, account.id, ())
        said = {"account": account.id, "role": account.role.value, "way": account.way.value}
        it.log(_KINDS[event], said | {"sessions": ended})
        return accounts.load(tx, account_id) or account


def listed(tx: Transaction, desk: Desk, actor: Actor, after: str | None, limit: int) -> list[Person]:
    """The accounts, newest first, below `after` (rule 6)."""
    named = actor.role == AccountRole.OPERATOR
    return [
        Person(one, accounts.label(tx, desk.vault, one.id) if named else None)
        for one in accounts.page(tx, after, limit)
    ]
