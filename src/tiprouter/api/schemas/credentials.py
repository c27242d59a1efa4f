"""How is a credential asked for and shown?"""

from typing import Annotated

from pydantic import ConfigDict

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.words import LAX, Id, Message
from tiprouter.workflow.credentials import CallerRole


class CredentialWanted(Message):
    """A credential's role; an agency's names its recipient, and no other does."""

    model_config = ConfigDict(json_schema_extra=examples.example(examples.CREDENTIAL))

    role: Annotated[CallerRole, LAX]
    recipient_id: Id | None = None


class CredentialMade(Message):
    """A new credential. Its token is shown once: a replay of this answer has null in its place."""

    id: str
    role: CallerRole
    token: str | None


class Health(Message):
    """The process answers."""

    status: str
