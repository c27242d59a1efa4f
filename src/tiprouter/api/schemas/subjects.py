"""How is it spelt what a subject is owed: an accounting, its suspension, an erasure, a legal hold?

The accounting has the contents of 45 CFR 164.528(b)(2): date, recipient, brief description, purpose.
"""

from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.words import LAX, Id, LongText, Message, Moment, ShortText
from tiprouter.domain.vocabulary import PURPOSE_OF, Category, Purpose, RecipientKind, StatementForm
from tiprouter.storage.accounting import Event, Suspension
from tiprouter.storage.holds import Hold
from tiprouter.workflow.accounting import BY_WORD, Account, Item
from tiprouter.workflow.erasing import Erased

NOTHING_RECALLED: Final = (
    "Erased here, and nowhere else: what was sent before stays with its recipients, and nothing is recalled. The "
    "accounting says who they are."
)
WAITS: Final = "Nothing is erased yet: a second credential must ask for the same within a week."
_SUSPENSION: Final[dict[str, Any]] = {
    "recipient": "rcp_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "asked_by": "Example Officer",
    "form": "oral",
    "until": "2026-03-20T12:00:00.000Z",
}


class AccountingQuery(Message):
    """From when on, and whose copy: the subject's leaves out what is suspended."""

    model_config = ConfigDict(strict=False)

    since: Moment | None = None
    copy_for: Annotated[str, Field(alias="copy", pattern="^(subject|staff)$")] = "subject"


class Told(Message):
    """Who was told. An agency that is not registered has neither id nor name, and perhaps a place."""

    id: str | None
    name: str | None
    kind: RecipientKind
    jurisdiction: str | None


class Basis(Message):
    """Why, in words, and their source."""

    policy: str
    words: str
    cite: str


class Description(Message):
    """What was told, briefly; of a call or letter nobody noted categories, and `basis` says what the law wants told."""

    categories: tuple[Category, ...]
    basis: tuple[Basis, ...]


class AccountItem(Message):
    """One disclosure, recall, call or letter. `suspended_until` is only ever set in the staff's copy.

    A call or letter was made by a person for a duty: `evidence` is it, and nothing was delivered.
    """

    date: Moment
    event: Event
    recipient: Told
    purpose: Purpose
    description: Description
    disclosure: str | None
    recalls: str | None
    delivery: str | None
    evidence: str | None
    suspended_until: Moment | None

    @classmethod
    def of(cls, item: Item) -> Self:
        """One item."""
        told, recipient = item.told, item.recipient
        by_word = told.event in BY_WORD
        return cls(
            date=told.at,
            event=told.event,
            recipient=Told(
                id=None if recipient is None else recipient.id,
                name=None if recipient is None else recipient.name,
                kind=item.kind,
                jurisdiction=told.place,
            ),
            purpose=PURPOSE_OF[item.kind],
            description=Description(
                categories=tuple(map(Category, item.categories)),
                basis=tuple(Basis(policy=one.id, words=one.basis, cite=one.cite) for one in item.basis),
            ),
            disclosure=None if by_word else told.id,
            recalls=told.recalls,
            delivery=told.state,
            evidence=told.id if by_word else None,
            suspended_until=item.suspended_until,
        )


class Accounting(Message):
    """Who was told what about one person, from `since` to `until`, oldest first."""

    person: str
    since: Moment
    until: Moment
    items: tuple[AccountItem, ...]

    @classmethod
    def of(cls, made: Account) -> Self:
        """One accounting."""
        items = tuple(map(AccountItem.of, made.items))
        return cls(person=made.person_id, since=made.since, until=made.until, items=items)


class SuspensionBody(Message):
    """An agency's statement that an accounting would impede it, and until when."""

    model_config = ConfigDict(json_schema_extra=examples.example(_SUSPENSION))

    recipient: Id
    asked_by: ShortText
    form: Annotated[StatementForm, LAX]
    until: Moment


class SuspensionMade(Message):
    """A suspension as it was stored."""

    id: str
    person: str
    recipient: str
    form: StatementForm
    until: Moment
    made_at: Moment

    @classmethod
    def of(cls, made: Suspension) -> Self:
        """One suspension."""
        return cls(
            id=made.id,
            person=made.person_id,
            recipient=made.recipient_id,
            form=made.form,
            until=made.until,
            made_at=made.made_at,
        )


class TakenFrom(Message):
    """A record that was erased whole, or that a person was taken out of."""

    record: str
    whole: bool


class ErasureTold(Message):
    """An erasure that was asked for (`requested`), or done (`erased`)."""

    id: str
    about: str
    state: str
    requested_at: Moment
    erased_at: Moment | None
    records: tuple[TakenFrom, ...]
    disclosed_before: int
    note: str

    @classmethod
    def of(cls, done: Erased) -> Self:
        """One erasure."""
        erasure = done.erasure
        return cls(
            id=erasure.id,
            about=erasure.about,
            state="requested" if erasure.erased_at is None else "erased",
            requested_at=erasure.requested_at,
            erased_at=erasure.erased_at,
            records=tuple(TakenFrom(record=one.record_id, whole=one.whole) for one in done.taken),
            disclosed_before=done.sent,
            note=WAITS if erasure.erased_at is None else NOTHING_RECALLED,
        )


class HoldBody(Message):
    """Why a record is held, and who asked for it; sealed."""

    model_config = ConfigDict(json_schema_extra=examples.example({"reason": "Example litigation hold."}))

    reason: LongText


class ReleaseBody(Message):
    """Which hold ends."""

    model_config = ConfigDict(json_schema_extra=examples.example({"hold": "hld_01ARZ3NDEKTSV4RRFFQ69G5FAV"}))

    hold: Id


class HoldTold(Message):
    """A hold as it stands."""

    id: str
    record: str
    placed_at: Moment
    released_at: Moment | None

    @classmethod
    def of(cls, hold: Hold) -> Self:
        """One hold."""
        return cls(id=hold.id, record=hold.record_id, placed_at=hold.placed_at, released_at=hold.released_at)
