"""How is a recipient spelt?"""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.words import LAX, County, Message, Moment, Place, ShortText, Some
from tiprouter.domain.endpoint_states import EndpointState
from tiprouter.domain.proof import PublicKey
from tiprouter.domain.recipient import DeliveryMode, Recipient, RecipientStatus, SignatureScheme
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.errors import InvalidError
from tiprouter.storage.endpoints import Endpoint
from tiprouter.workflow.enrolment import Enrolled

Url = Annotated[
    str,
    Field(min_length=1, max_length=2_048, pattern=r"^https?://[!-~]+$", examples=["https://agency.example/tiprouter"]),
]


_Coordinate = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]


class AcknowledgementKeyBody(Message):
    """A public JWK (RFC 7517): OKP with Ed25519 and `x`, or EC with P-256, `x` and `y`. No other member."""

    kty: Literal["OKP", "EC"]
    crv: Literal["Ed25519", "P-256"]
    x: _Coordinate
    y: _Coordinate | None = None

    def to_domain(self) -> PublicKey:
        """The key. Raises `InvalidError` where the members do not fit together."""
        key = PublicKey(self.crv, self.x, self.y)
        if not key.well_formed or key.members["kty"] != self.kty:
            raise InvalidError("This is not a public key of a kind that can be used here.", "/acknowledgement_key")
        return key


class AcknowledgementKeyShown(Message):
    """The registered key, and its thumbprint (RFC 7638): the `kid` of what it signs."""

    kty: str
    crv: str
    x: str
    y: str | None
    thumbprint: str

    @classmethod
    def of(cls, key: PublicKey) -> Self:
        """A key."""
        return cls(kty=key.members["kty"], crv=key.crv, x=key.x, y=key.y, thumbprint=key.thumbprint)


class RecipientBody(Message):
    """An agency: what it is, whom it serves, where and how it gets disclosures, how many, until when it agreed."""

    model_config = ConfigDict(json_schema_extra=examples.example(examples.RECIPIENT))

    name: ShortText
    kind: Annotated[RecipientKind, LAX]
    jurisdictions: Annotated[Some[Place], Field(min_length=1, max_length=64)]
    counties: Annotated[Some[County], Field(max_length=300)] = ()
    url: Annotated[Url | None, Field(description="null in mode pull, and only then")] = None
    delivery_mode: Annotated[DeliveryMode, LAX] = DeliveryMode.PUSH
    signature_scheme: Annotated[SignatureScheme, LAX] = SignatureScheme.ED25519
    status: Annotated[RecipientStatus, LAX] = RecipientStatus.ACTIVE
    agreement_until: Moment | None = None
    acknowledgement_key: Annotated[
        AcknowledgementKeyBody | None, Field(description="what the agency may sign its acknowledgements with")
    ] = None
    max_per_second: Annotated[
        int | None, Field(ge=1, le=1_000, description="attempts that may begin in a second; the service's when null")
    ] = None
    max_at_once: Annotated[
        int | None, Field(ge=1, le=1_000, description="attempts that may be under way; each worker's places when null")
    ] = None

    def to_domain(self, recipient_id: str = "") -> Recipient:
        """The recipient, its revision still to be given."""
        own = RecipientBody.model_fields.keys() - {"signature_scheme", "acknowledgement_key"}
        values = {name: value for name, value in self if name in own}
        values["acknowledgement_key"] = (
            None if self.acknowledgement_key is None else self.acknowledgement_key.to_domain()
        )
        return Recipient(**values, id=recipient_id, scheme=self.signature_scheme, revision=0)


class SigningKeyBody(Message):
    """What the agency verifies disclosures with: `whpk_...`, or `whsec_...` to be kept secret."""

    id: str
    verification_key: str


class RecipientStanding(Message):
    """A recipient as it stands."""

    id: str
    revision: int
    name: str
    kind: RecipientKind
    jurisdictions: tuple[str, ...]
    counties: tuple[str, ...]
    url: str | None
    delivery_mode: DeliveryMode
    signature_scheme: SignatureScheme
    status: RecipientStatus
    agreement_until: Moment | None
    acknowledgement_key: AcknowledgementKeyShown | None
    max_per_second: int | None
    max_at_once: int | None

    @classmethod
    def of(cls, recipient: Recipient) -> Self:
        """A recipient."""
        values = {name: getattr(recipient, name) for name in Recipient.__slots__ if name in cls.model_fields}
        key = recipient.acknowledgement_key
        values["acknowledgement_key"] = None if key is None else AcknowledgementKeyShown.of(key)
        return cls(**values, signature_scheme=recipient.scheme)


class RecipientEnrolled(RecipientStanding):
    """A new recipient; a `whsec_...` is shown in this answer and never again.

    While it is `pending`, it is suspended: another operator confirms the change `pending_change` within a week.
    """

    signing_key: SigningKeyBody
    pending: bool
    pending_change: str | None


class RecipientShown(RecipientStanding):
    """A recipient, its public key (null when it verifies with a shared secret), and whom and what it trusts."""

    verification_key: str | None
    endpoint: EndpointState | None
    endpoint_verified_at: Moment | None
    encryption_key_ids: tuple[str, ...]
    authorities: str
    certificate: str


class RecipientList(Message):
    """A page of recipients."""

    items: tuple[RecipientStanding, ...]


def enrolled(done: Enrolled) -> RecipientEnrolled:
    """The answer to a registration."""
    key = SigningKeyBody(id=done.key_id, verification_key=done.verification_key)
    standing = dict(RecipientStanding.of(done.recipient))
    waits = done.waiting is not None
    return RecipientEnrolled(**standing, signing_key=key, pending=waits, pending_change=done.waiting)


def shown(recipient: Recipient, public_key: str | None, endpoint: Endpoint | None) -> RecipientShown:
    """One recipient."""
    return RecipientShown(
        **dict(RecipientStanding.of(recipient)),
        verification_key=public_key,
        endpoint=None if endpoint is None else endpoint.state,
        endpoint_verified_at=None if endpoint is None else endpoint.verified_at,
        encryption_key_ids=tuple(key.id for key in recipient.encryption_keys),
        authorities=recipient.authorities,
        certificate=recipient.certificate,
    )
