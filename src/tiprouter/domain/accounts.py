"""Who may sign in, and where can an account be?

1. An account is one member of the staff with one role; another role is another account. Intake and agencies are systems
   and have none.
2. It begins with an invitation, good once and for 72 hours; redeemed, it is active. Suspended it can be restored, ended
   it is for good; both end every session at once.
3. A session ends after 30 minutes without a request and after 12 hours whatever happens (NIST SP 800-63B-4, AAL2).
4. Who acts for two people's rules has shown who they are within the last 15 minutes.
5. An account has ten sessions at once; the eleventh ends the one that began first.

Not promised: that two accounts are two people. Who invites sees to that; the log says who invited whom.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from tiprouter.domain.states import diagram, next_in

INVITATION_FOR: Final = timedelta(hours=72)
IDLE_FOR: Final = timedelta(minutes=30)
SESSION_FOR: Final = timedelta(hours=12)
FRESH_FOR: Final = timedelta(minutes=15)
SESSIONS_MAX: Final = 10


@unique
class AccountRole(StrEnum):
    """What a person does here; each is a role of callers too (rule 1)."""

    REVIEWER = "reviewer"
    AUDITOR = "auditor"
    OPERATOR = "operator"
    COUNSEL = "counsel"
    CUSTODIAN = "custodian"


@unique
class SignInWay(StrEnum):
    """By what a person shows who they are: a password and one-time codes here, or an identity provider's word."""

    LOCAL = "local"
    OIDC = "oidc"


@unique
class Carrier(StrEnum):
    """What carries a session's token: a browser its cookie, a program all else."""

    BROWSER = "browser"
    PROGRAM = "program"


@unique
class AccountState(StrEnum):
    """Where an account is."""

    INVITED = "invited"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


@unique
class AccountEvent(StrEnum):
    """What can happen to an account."""

    REDEEM = "redeem"
    SUSPEND = "suspend"
    RESTORE = "restore"
    END = "end"


_S, _E = AccountState, AccountEvent

ACCOUNT_TRANSITIONS: Mapping[tuple[AccountEvent, AccountState], AccountState] = MappingProxyType(
    {
        (_E.REDEEM, _S.INVITED): _S.ACTIVE,
        (_E.SUSPEND, _S.ACTIVE): _S.SUSPENDED,
        (_E.RESTORE, _S.SUSPENDED): _S.ACTIVE,
        (_E.END, _S.INVITED): _S.ENDED,
        (_E.END, _S.ACTIVE): _S.ENDED,
        (_E.END, _S.SUSPENDED): _S.ENDED,
    }
)


def next_account_state(state: AccountState, event: AccountEvent) -> AccountState:
    """Return an account's state after `event`, or raise `IllegalTransitionError`."""
    return next_in(ACCOUNT_TRANSITIONS, "An account", state, event)


def account_mermaid() -> str:
    """Return the accounts' table as a Mermaid state diagram for the documentation."""
    return diagram(ACCOUNT_TRANSITIONS, AccountState.INVITED, [AccountState.ENDED])
