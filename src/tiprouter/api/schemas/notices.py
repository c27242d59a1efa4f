"""How is a human told what to look at?"""

from typing import Self

from tiprouter.api.schemas.words import Message, Moment
from tiprouter.storage.notices import Raised


class NoticeBody(Message):
    """Why, about which decision or delivery (`subject`), and until when somebody must have acted."""

    id: str
    reason: str
    subject: str
    record: str | None
    deadline: Moment | None
    raised_at: Moment

    @classmethod
    def of(cls, raised: Raised) -> Self:
        """A notice."""
        return cls(
            id=raised.id,
            reason=raised.reason,
            subject=raised.subject,
            record=raised.record_id,
            deadline=raised.deadline,
            raised_at=raised.raised_at,
        )


class NoticeList(Message):
    """A page of notices."""

    items: tuple[NoticeBody, ...]
