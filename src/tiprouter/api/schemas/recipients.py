"""How is a recipient spelt?"""

from typing import Annotated, Self

from pydantic import ConfigDict, Field

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.words import LAX, County, Message, Moment, Place, ShortText, Some
from tiprouter.domain.recipient import DeliveryMode, Recipient, RecipientStatus, SignatureScheme
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.workflow.enrolment import Enrolled

Url = Annotated[
    str,
    Field(min_length=1, max_length=2_048, pattern=r"^https?://[!-~]+$", examples=["https://agency.example/tiprouter"]),
]


class RecipientBody(Message):
    """An agency: what it is, whom it serves, where and how it gets disclosures, until when it agreed."""

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

    def to_domain(self, recipient_id: str = "") -> Recipient:
        """The recipient, its revision still to be given."""
        values = {name: value for name, value in self if name != "signature_scheme"}
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

    @classmethod
    def of(cls, recipient: Recipient) -> Self:
        """A recipient."""
        values = {name: getattr(recipient, name) for name in Recipient.__slots__ if name != "scheme"}
        return cls(**values, signature_scheme=recipient.scheme)


class RecipientEnrolled(RecipientStanding):
    """A new recipient; a `whsec_...` is shown in this answer and never again."""

    signing_key: SigningKeyBody


class RecipientShown(RecipientStanding):
    """A recipient and its public key; null when it verifies with a shared secret."""

    verification_key: str | None


class RecipientList(Message):
    """A page of recipients."""

    items: tuple[RecipientStanding, ...]


def enrolled(done: Enrolled) -> RecipientEnrolled:
    """The answer to a registration."""
    key = SigningKeyBody(id=done.key_id, verification_key=done.verification_key)
    return RecipientEnrolled(**dict(RecipientStanding.of(done.recipient)), signing_key=key)


def shown(recipient: Recipient, public_key: str | None) -> RecipientShown:
    """One recipient."""
    return RecipientShown(**dict(RecipientStanding.of(recipient)), verification_key=public_key)
