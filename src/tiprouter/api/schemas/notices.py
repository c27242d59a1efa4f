"""How is a human told what to look at?"""

from typing import Self

from tiprouter.api.schemas.words import Message, Moment
from tiprouter.domain.notice import Severity, due_at, reason_of
from tiprouter.workflow.heeding import Standing


class AcknowledgedBody(Message):
    """Which credential said that it has seen a notice, and when."""

    by: str
    at: Moment


class NoticeBody(Message):
    """Why, about what (`subject`), until when somebody must have acted, and whether anybody has seen it.

    `what_happened` and `what_to_do` are fixed sentences; `due_at` is when somebody should have looked.
    """

    id: str
    reason: str
    subject: str
    record: str | None
    deadline: Moment | None
    raised_at: Moment
    severity: Severity
    due_at: Moment
    what_happened: str
    what_to_do: str
    acknowledged: AcknowledgedBody | None

    @classmethod
    def of(cls, standing: Standing) -> Self:
        """A notice as it stands."""
        raised, heeded, reason = standing.raised, standing.heeded, reason_of(standing.raised.reason)
        return cls(
            id=raised.id,
            reason=raised.reason,
            subject=raised.subject,
            record=raised.record_id,
            deadline=raised.deadline,
            raised_at=raised.raised_at,
            severity=reason.severity,
            due_at=due_at(raised.reason, raised.raised_at, raised.deadline),
            what_happened=reason.happened,
            what_to_do=reason.to_do,
            acknowledged=None if heeded is None else AcknowledgedBody(by=heeded.caller, at=heeded.heeded_at),
        )


class NoticeList(Message):
    """A page of notices."""

    items: tuple[NoticeBody, ...]
