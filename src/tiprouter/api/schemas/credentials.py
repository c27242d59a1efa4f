"""How is a credential asked for and shown?"""

from typing import Annotated

from tiprouter.api.schemas.words import LAX, Message
from tiprouter.workflow.credentials import CallerRole


class CredentialWanted(Message):
    """A credential's role."""

    role: Annotated[CallerRole, LAX]


class CredentialMade(Message):
    """A new credential. Its token is shown once: a replay of this answer has null in its place."""

    id: str
    role: CallerRole
    token: str | None


class Health(Message):
    """The process answers."""

    status: str
