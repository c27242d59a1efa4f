"""How is a credential asked for and shown?"""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import ConfigDict, Field

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.words import LAX, Day, Id, Message, Moment, Some
from tiprouter.storage.api_keys import ApiKey
from tiprouter.storage.callers import Caller
from tiprouter.workflow.credentials import DAYS, DAYS_MAX, OVERLAP_DAYS_MAX, CallerRole

Label = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$", description="a system's name, never a person's", examples=["crm"]),
]
Scope = Annotated[str, Field(pattern=r"^[a-z.-]{1,40}:(read|write)$", examples=["tips:write"])]
Scopes = Annotated[
    Some[Scope] | None, Field(max_length=64, description="of the role's routes only these; null is all of them")
]
Thumbprint = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-]{43}$", description="x5t#S256 of a client certificate (RFC 8705)")
]
Days = Annotated[int, Field(ge=1, le=DAYS_MAX)]
Holder = Annotated[
    Id | None, Field(description="the account in whose hands it is: where two persons are asked, the two are one")
]


class CredentialWanted(Message):
    """A credential's role; an agency's names its recipient, and no other does."""

    model_config = ConfigDict(json_schema_extra=examples.example(examples.CREDENTIAL))

    role: Annotated[CallerRole, LAX]
    recipient_id: Id | None = None
    label: Label | None = None
    scopes: Scopes = None
    expires_days: Days = DAYS
    certificate: Thumbprint | None = None
    holder_id: Holder = None


class CredentialMade(Message):
    """A new credential. Its token is shown once: a replay of this answer has null in its place.

    While it is `pending`, the token opens nothing: another operator confirms the credential within a week.
    """

    id: str
    role: CallerRole
    token: str | None
    pending: bool


class KeyShown(Message):
    """One key of a credential: what of it is public, when it ends, and the UTC day on which it was used last.

    One that is `pending` opens nothing until another operator confirms it.
    """

    prefix: str
    created_at: Moment
    expires_at: Moment
    last_used_on: Day | None
    certificate: str | None
    pending: bool

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        """A key."""
        used = None if key.last_used_on is None else key.last_used_on.date()
        return cls(
            prefix=f"tr_{key.prefix}",
            created_at=key.created_at,
            expires_at=key.expires_at,
            last_used_on=used,
            certificate=key.certificate,
            pending=key.waits,
        )


class CredentialBody(Message):
    """A credential that was not ended, and its keys, newest first; `made_by` is the person who made it."""

    id: str
    role: CallerRole
    recipient_id: str | None
    label: str | None
    scopes: tuple[str, ...] | None
    holder_id: str | None
    made_by: str | None
    pending: bool
    keys: tuple[KeyShown, ...]

    @classmethod
    def of(cls, caller: Caller, keys: Sequence[ApiKey]) -> Self:
        """A credential."""
        return cls(
            id=caller.id,
            role=CallerRole(caller.role),
            recipient_id=caller.recipient_id,
            label=caller.label,
            scopes=None if caller.scopes is None else tuple(sorted(caller.scopes)),
            holder_id=caller.holder_id,
            made_by=caller.made_by,
            pending=caller.waits,
            keys=tuple(map(KeyShown.of, keys)),
        )


class CredentialList(Message):
    """A page of credentials."""

    items: tuple[CredentialBody, ...]


class CredentialRotation(Message):
    """For how many days the keys before stay good beside the new one, and how long the new one is good."""

    overlap_days: Annotated[int, Field(ge=0, le=OVERLAP_DAYS_MAX)] = 1
    expires_days: Days = DAYS


class CredentialRotated(Message):
    """A new key. Its token is shown once: a replay of this answer has null in its place.

    While it is `pending`, for another operator's word, it opens nothing and the keys before do not end.
    """

    id: str
    prefix: str
    expires_at: Moment
    old_end_at: Moment | None
    token: str | None
    pending: bool


class Health(Message):
    """The process answers."""

    status: str
