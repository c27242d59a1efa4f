"""How is a grant asked for, and how is it told?

1. Why it was asked for is personal data: sealed at rest, told of one grant at a time, never in a list or in the answer
   to a change.
2. `auditor` is who the matter is opened to: counsel names them, an auditor asks for themselves.
"""

from typing import Any, Final, Self

from pydantic import ConfigDict

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.words import Id, LongText, Message, Moment
from tiprouter.domain.grant_states import GrantState
from tiprouter.storage.grants import Grant
from tiprouter.workflow.granting import Shown, Wanted

_EXAMPLE: Final[dict[str, Any]] = {
    "record": "case_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "until": "2026-03-09T15:00:00.000Z",
    "reason": "Example text about nobody: a complaint about a late report.",
}


class GrantWanted(Message):
    """Which record's matter is to be opened, until when (at most fourteen days from now), and why.

    Counsel names the `auditor`; an auditor leaves it out.
    """

    model_config = ConfigDict(json_schema_extra=examples.example(_EXAMPLE))

    record: Id
    auditor: Id | None = None
    until: Moment
    reason: LongText

    def wanted(self) -> Wanted:
        """The request in the words of the story."""
        return Wanted(self.record, self.auditor, self.until, self.reason)


class GrantBody(Message):
    """A grant: whose matter is opened to whom, until when, who asked, who approved first, who opened it, who ended it.

    It opens nothing unless it is `open`; `ended_at` is when it was revoked or its time was over.
    """

    id: str
    record: str
    auditor: str
    state: GrantState
    until: Moment
    asked_by: str
    asked_at: Moment
    approved_by: str | None
    approved_at: Moment | None
    opened_by: str | None
    opened_at: Moment | None
    revoked_by: str | None
    ended_at: Moment | None

    @classmethod
    def of(cls, grant: Grant) -> Self:
        """A grant as it is listed."""
        return cls(**_values(grant))


class GrantList(Message):
    """A page of grants."""

    items: tuple[GrantBody, ...]


class GrantShown(GrantBody):
    """A grant and why it was asked for; null once the record was erased."""

    reason: str | None

    @classmethod
    def by(cls, shown: Shown) -> Self:
        """One grant."""
        return cls(**_values(shown.grant), reason=shown.reason)


def _values(grant: Grant) -> dict[str, Any]:
    values = {name: getattr(grant, name) for name in Grant.__slots__ if name != "record_id"}
    return values | {"record": grant.record_id}
