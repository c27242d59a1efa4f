"""What is said to and of people who sign in?"""

from typing import Annotated, Final

from pydantic import ConfigDict, Field

from tiprouter.api.schemas.words import LAX, Day, Message, Moment, ShortText
from tiprouter.domain.accounts import FRESH_FOR, AccountRole, AccountState, SignInWay
from tiprouter.domain.password import CHARACTERS_MAX
from tiprouter.storage.accounts import Account, Holder
from tiprouter.workflow.people import Person, Wanted
from tiprouter.workflow.signing_in import Opened

EMAIL: Final = r"^[^\s@\u0000-\u001F\u007F]{1,64}@[A-Za-z0-9.-]{1,190}$"
Email = Annotated[str, Field(pattern=EMAIL, examples=["reviewer@hotline.example"])]
Password = Annotated[str, Field(min_length=1, max_length=4 * CHARACTERS_MAX, examples=["an example of four words"])]
Secret = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,200}$")]
Code = Annotated[str, Field(pattern=r"^[0-9A-Za-z -]{1,60}$", examples=["123456"])]


class PersonWanted(Message):
    """Somebody to invite: what they do, how they sign in, and who they are; `subject` is the identity provider's."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"role": "reviewer", "way": "local", "name": "Example Person", "email": "reviewer@hotline.example"}
            ]
        }
    )

    role: Annotated[AccountRole, LAX]
    way: Annotated[SignInWay, LAX] = SignInWay.LOCAL
    name: ShortText
    email: Email
    subject: Annotated[str | None, Field(pattern=r"^[\x21-\x7e]{1,255}$")] = None

    def to_domain(self, issuer: str | None) -> Wanted:
        """The same, as the story takes it."""
        subject = None if self.subject is None else (issuer or "", self.subject)
        return Wanted(self.role, self.way, Holder(self.name, self.email), subject)


class PersonInvited(Message):
    """A new account. Its invitation is shown once: a replay of this answer has null in its place.

    While it is `pending`, it cannot be redeemed: another operator confirms it, and its 72 hours begin then.
    """

    id: str
    role: AccountRole
    way: SignInWay
    invitation: str | None
    invited_until: Moment
    pending: bool

    @classmethod
    def of(cls, account: Account) -> "PersonInvited":
        """An account that was just made, without its invitation."""
        return cls(
            id=account.id,
            role=account.role,
            way=account.way,
            invitation=None,
            invited_until=account.invited_until,
            pending=account.waits,
        )


class PersonBody(Message):
    """An account; who holds it is told to operators alone."""

    id: str
    role: AccountRole
    way: SignInWay
    state: AccountState
    seen_on: Day | None
    invited_by: str
    pending: bool
    name: str | None
    email: str | None

    @classmethod
    def of(cls, person: Person) -> "PersonBody":
        """An account, and its holder where that may be told."""
        one, holder = person.account, person.holder
        return cls(
            id=one.id,
            role=one.role,
            way=one.way,
            state=one.state,
            seen_on=None if one.seen_on is None else one.seen_on.date(),
            invited_by=one.invited_by,
            pending=one.waits,
            name=None if holder is None else holder.name,
            email=None if holder is None else holder.email,
        )


class PersonList(Message):
    """Accounts, newest first."""

    items: tuple[PersonBody, ...]


class SignInWanted(Message):
    """Name, password, and a one-time code or a recovery code."""

    name: Email
    password: Password
    code: Code | None = None
    recovery_code: Code | None = None


class SessionMade(Message):
    """A session that just began or was made fresh. Its token is shown once."""

    token: str
    account_id: str
    role: AccountRole
    ends_at: Moment

    @classmethod
    def of(cls, opened: Opened) -> "SessionMade":
        """A session and its token."""
        session = opened.session
        return cls(token=opened.token, account_id=session.account_id, role=session.role, ends_at=opened.ends_at)


class SessionBody(Message):
    """The session that asks: until when it lasts, and is fresh. `csrf` goes with writes by cookie (X-CSRF-Token)."""

    account_id: str
    role: AccountRole
    way: SignInWay
    ends_at: Moment
    fresh_until: Moment
    csrf: str | None

    @classmethod
    def of(cls, opened: Opened, way: SignInWay, csrf: str | None) -> "SessionBody":
        """The session as its holder sees it."""
        session = opened.session
        return cls(
            account_id=session.account_id,
            role=session.role,
            way=way,
            ends_at=opened.ends_at,
            fresh_until=session.verified_at + FRESH_FOR,
            csrf=csrf,
        )


class InvitationRedeemed(Message):
    """An invitation and the password that its holder chooses."""

    invitation: Secret
    password: Password


class OneTimeOffered(Message):
    """The one-time secret, as a link for authenticator apps and as people type it. Confirm it with a code."""

    link: str
    secret: str


class InvitationConfirmed(Message):
    """An invitation and a code of the one-time secret that it gave."""

    invitation: Secret
    code: Code


class RecoveryCodes(Message):
    """An active account, and its recovery codes, which cannot be shown again."""

    id: str
    role: AccountRole
    recovery_codes: tuple[str, ...]


class RoundWanted(Message):
    """A sign-in by way of the identity provider; with an invitation, to redeem it."""

    invitation: Secret | None = None


class RoundBegun(Message):
    """Where to go, and what to keep: the ticket is half of what the session is had for, the page's code the other."""

    url: str
    ticket: str


class RoundFinished(Message):
    """The ticket, and the code that the page showed."""

    ticket: Secret
    code: Code


class StepUpWanted(Message):
    """A one-time code."""

    code: Code


class SignOutWanted(Message):
    """Whether every session of the account ends, or this one alone."""

    everywhere: bool = False
