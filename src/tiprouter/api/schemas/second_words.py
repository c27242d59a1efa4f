"""How is another person's word asked for, and how is it told?"""

from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.words import LAX, Message, Moment
from tiprouter.domain.second_word_states import ByTwo, SecondWordState
from tiprouter.storage.second_words import SecondWord

_EXAMPLE: Final[dict[str, Any]] = {"act": "roll-back"}


class SecondWordWanted(Message):
    """What somebody is about to do, and to what.

    `key` is another signing key of a recipient, `export` the audit bundle of a record, `roll-back` the return to the
    bundle before the active one, which may be left out.
    """

    model_config = ConfigDict(json_schema_extra=examples.example(_EXAMPLE))

    act: Annotated[ByTwo, LAX]
    subject: Annotated[str | None, Field(pattern="^[0-9A-Za-z_]{1,64}$")] = None


class SecondWordBody(Message):
    """What was asked: by whom, until when, who said yes, and who used it or took it back.

    It lets whoever asked do it while it is `said`, before `until`.
    """

    id: str
    act: ByTwo
    subject: str
    state: SecondWordState
    until: Moment
    asked_by: str
    asked_at: Moment
    said_by: str | None
    said_at: Moment | None
    ended_by: str | None
    ended_at: Moment | None

    @classmethod
    def of(cls, one: SecondWord) -> Self:
        """One of them."""
        return cls(**{name: getattr(one, name) for name in SecondWord.__slots__})


class SecondWordList(Message):
    """A page of them."""

    items: tuple[SecondWordBody, ...]
