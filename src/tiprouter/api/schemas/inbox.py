"""How is an inbox told to its agency? By ids; never with a payload."""

from typing import Literal, Self

from tiprouter.api.schemas.words import Message, Moment
from tiprouter.domain.vocabulary import Urgency
from tiprouter.storage.inbox import Item


class InboxItem(Message):
    """Something to pull with `GET /v1/inbox/{delivery}`; `taken`: it was pulled before and is not acknowledged yet."""

    delivery: str
    disclosure: str
    matter: str
    sequence: int
    kind: Literal["made", "recalled"]
    urgency: Urgency
    deadline: Moment
    made_at: Moment
    taken: bool

    @classmethod
    def of(cls, item: Item) -> Self:
        """One of them."""
        one = item.delivery
        return cls(
            delivery=one.id,
            disclosure=one.disclosure_id,
            matter=one.matter_id,
            sequence=one.sequence,
            kind="made" if item.recalls is None else "recalled",
            urgency=one.urgency,
            deadline=one.deadline,
            made_at=one.created_at,
            taken=item.taken,
        )


class InboxList(Message):
    """A page of an inbox."""

    items: tuple[InboxItem, ...]
