"""How is an OAuth client registered and shown, and what does an authorization server say of itself?"""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.credentials import Holder, Label, Scopes
from tiprouter.api.schemas.words import LAX, Id, Message, Moment, Some
from tiprouter.storage.callers import Caller
from tiprouter.workflow.client_assertions import Jwk
from tiprouter.workflow.clients import NewClient
from tiprouter.workflow.credentials import CallerRole

_Base64Url = Annotated[str, Field(min_length=1, max_length=1_400, pattern=r"^[A-Za-z0-9_-]+$")]


class ClientKey(Message):
    """A public JWK (RFC 7517) that verifies a client's assertions: Ed25519, EC P-256, or RSA of at least 2,048 bits."""

    kty: Literal["OKP", "EC", "RSA"]
    crv: Literal["Ed25519", "P-256"] | None = None
    x: _Base64Url | None = None
    y: _Base64Url | None = None
    n: _Base64Url | None = None
    e: _Base64Url | None = None
    alg: Literal["EdDSA", "Ed25519", "ES256", "PS256", "RS256"] | None = None
    use: Literal["sig"] | None = None
    kid: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] | None = None

    def jwk(self) -> Jwk:
        """The key as it was sent."""
        return self.model_dump(exclude_none=True)


Keys = Annotated[Some[ClientKey], Field(min_length=1, max_length=8, description="public keys alone")]


class ClientWanted(Message):
    """A client: an agency's names its recipient, and no other does.

    With `tls_client_certificate_bound_access_tokens` (RFC 8705) its tokens are bound to the certificate it shows.
    """

    model_config = ConfigDict(json_schema_extra=examples.example(examples.CLIENT))

    role: Annotated[CallerRole, LAX]
    recipient_id: Id | None = None
    label: Label | None = None
    scopes: Scopes = None
    keys: Keys
    tls_client_certificate_bound_access_tokens: bool = False
    holder_id: Holder = None

    def to_new(self, scopes: frozenset[str] | None) -> NewClient:
        """The client in the words of the story."""
        return NewClient(
            self.role,
            tuple(key.jwk() for key in self.keys),
            self.recipient_id,
            self.label,
            scopes,
            self.tls_client_certificate_bound_access_tokens,
            self.holder_id,
        )


class ClientKeysWanted(Message):
    """The keys that a client has from now on, and no others."""

    keys: Keys


class ClientBody(Message):
    """A client that was not ended; `id` is its `client_id`, `made_by` the person who registered it.

    One that is `pending` gets no tokens until another operator confirms it, and `pending_keys` are not its keys before.
    """

    id: str
    role: CallerRole
    recipient_id: str | None
    label: str | None
    scopes: tuple[str, ...] | None
    holder_id: str | None
    made_by: str | None
    pending: bool
    keys: tuple[dict[str, str], ...]
    pending_keys: tuple[dict[str, str], ...]
    tls_client_certificate_bound_access_tokens: bool
    created_at: Moment

    @classmethod
    def of(cls, client: Caller) -> Self:
        """A client."""
        return cls(
            id=client.id,
            role=CallerRole(client.role),
            recipient_id=client.recipient_id,
            label=client.label,
            scopes=None if client.scopes is None else tuple(sorted(client.scopes)),
            holder_id=client.holder_id,
            made_by=client.made_by,
            pending=client.waits,
            keys=tuple(dict(key) for key in client.jwks or ()),
            pending_keys=tuple(dict(key) for key in client.next_jwks or ()),
            tls_client_certificate_bound_access_tokens=client.certificate_bound,
            created_at=client.created_at,
        )


class ClientList(Message):
    """A page of clients."""

    items: tuple[ClientBody, ...]


class TokenBody(Message):
    """An access token (RFC 6749 section 5.1); `scope` null is everything that the client's role may use."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a word of the protocol
    expires_in: int
    scope: str | None = None


class TokenRefused(Message):
    """Why there is no token (RFC 6749 section 5.2)."""

    error: Literal["invalid_request", "invalid_client", "invalid_grant", "invalid_scope", "unsupported_grant_type"]


class ServerMetadata(Message):
    """The authorization server's metadata (RFC 8414 section 2)."""

    issuer: str
    token_endpoint: str
    response_types_supported: tuple[str, ...] = ()
    grant_types_supported: tuple[str, ...] = ("client_credentials",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("private_key_jwt",)
    token_endpoint_auth_signing_alg_values_supported: tuple[str, ...]
    scopes_supported: tuple[str, ...]
    tls_client_certificate_bound_access_tokens: bool
