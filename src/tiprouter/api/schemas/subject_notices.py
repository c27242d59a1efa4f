"""How is a notice to a subject spelt, and what is said when it is given or deferred?"""

from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.consents import SafeContactBody
from tiprouter.api.schemas.queries import Paging
from tiprouter.api.schemas.words import LongText, Message, Moment, ShortText
from tiprouter.domain.subject_states import SubjectNoticeState
from tiprouter.domain.vocabulary import Category, NoticeRule, RecipientKind
from tiprouter.workflow.noticing import Given, Waiting

_GIVEN: Final[dict[str, Any]] = {"channel": "text", "at": "2026-03-02T18:00:00.000Z", "time_was_safe": True}
_DEFERRED: Final[dict[str, Any]] = {"reason": "Unsafe now.", "until": "2026-03-20T12:00:00.000Z"}


class SubjectNoticeQuery(Paging):
    """A page of the notices that match."""

    state: SubjectNoticeState | None = None


class GiveBody(Message):
    """By which channel the person was told, and when; where they named a safe one, that one.

    `time_was_safe` is needed where they named a safe time: whoever gives it says that it was then.
    """

    model_config = ConfigDict(json_schema_extra=examples.example(_GIVEN))

    channel: ShortText
    at: Moment
    time_was_safe: bool = False
    note: Annotated[LongText | None, Field(description="sealed")] = None

    def given(self) -> Given:
        """As the story takes it."""
        return Given(self.channel, self.at, self.time_was_safe, self.note)


class DeferBody(Message):
    """Why the person cannot be told now, and when it is looked at again."""

    model_config = ConfigDict(json_schema_extra=examples.example(_DEFERRED))

    reason: LongText
    until: Moment


class SubjectNoticeTold(Message):
    """A notice as it stands; `text` is why it waits or how it was given. Reach the person by `safe_contact` alone.

    What was told by a call or letter has no disclosure, but `evidence`; the agency's `kind` and `jurisdiction` stand
    for it where it is not registered. `remind_at` is when somebody is told again that it is due.
    """

    id: str
    person: str
    record: str
    recipient: str | None
    kind: RecipientKind | None
    jurisdiction: str | None
    disclosure: str | None
    evidence: str | None
    categories: tuple[Category, ...]
    rule: NoticeRule
    state: SubjectNoticeState
    disclosed_at: Moment
    until: Moment | None
    remind_at: Moment | None
    given_at: Moment | None
    changed_at: Moment | None
    text: str | None
    safe_contact: SafeContactBody | None

    @classmethod
    def of(cls, waiting: Waiting) -> Self:
        """One notice."""
        notice, contact = waiting.notice, waiting.contact
        return cls(
            id=notice.id,
            person=notice.person_id,
            record=notice.record_id,
            recipient=notice.recipient_id,
            kind=waiting.kind,
            jurisdiction=waiting.place,
            disclosure=notice.disclosure_id,
            evidence=notice.evidence_id,
            categories=tuple(map(Category, waiting.categories)),
            rule=notice.rule,
            state=notice.state,
            disclosed_at=notice.disclosed_at,
            until=notice.until,
            remind_at=notice.remind_at,
            given_at=notice.given_at,
            changed_at=notice.changed_at,
            text=waiting.text,
            safe_contact=None if contact is None else SafeContactBody(channel=contact.channel, time=contact.time),
        )


class SubjectNoticeList(Message):
    """A page of notices."""

    items: tuple[SubjectNoticeTold, ...]
