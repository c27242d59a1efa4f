"""What is said to and of somebody who looks after their own account?"""

from pydantic import ConfigDict

from tiprouter.api.schemas.people import Password
from tiprouter.api.schemas.words import Message, Moment
from tiprouter.domain.accounts import SESSION_FOR, Carrier
from tiprouter.storage.sessions import Session


class PasswordChangeWanted(Message):
    """The password of now, and the one to be."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"current_password": "an example of four words", "new_password": "four other words for example"}
            ]
        }
    )

    current_password: Password
    new_password: Password


class LiveSession(Message):
    """One session of the account; `carrier` null began before it was kept, `here` is the one that asks."""

    id: str
    started_at: Moment
    seen_at: Moment
    ends_at: Moment
    carrier: Carrier | None
    here: bool

    @classmethod
    def of(cls, session: Session, here: str | None) -> "LiveSession":
        """A session as its holder sees it."""
        return cls(
            id=session.id,
            started_at=session.started_at,
            seen_at=session.seen_at,
            ends_at=session.started_at + SESSION_FOR,
            carrier=session.carrier,
            here=session.id == here,
        )


class SessionList(Message):
    """The account's live sessions, the one that began last first; there are never more than ten."""

    items: tuple[LiveSession, ...]
