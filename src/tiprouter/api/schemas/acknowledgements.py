"""How does an agency answer about a disclosure, and how is its answer told?

The agency's words are personal data as much as the disclosure they answer: sealed at rest, never logged.
"""

from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.words import LAX, LongText, Message, Moment, ShortText
from tiprouter.domain.vocabulary import AcknowledgementStatus
from tiprouter.storage.acknowledgements import Acknowledgement, Words

_EXAMPLE: Final[dict[str, Any]] = {"status": "accepted", "case_number": "EX-2026-0001"}


SIGNED_BY: Final = "thumbprint (RFC 7638) of the agency's key that signed it; null when nobody did"

Jws = Annotated[
    str,
    Field(
        max_length=4_096,
        pattern=r"^[A-Za-z0-9_-]{1,2000}\.[A-Za-z0-9_-]{1,2000}\.[A-Za-z0-9_-]{1,200}$",
        description=(
            "A compact JWS of the agency's registered key. Header: `alg` (`EdDSA` or `ES256`), `kid` (the key's "
            "RFC 7638 thumbprint), `typ` (`tiprouter-acknowledgement+jws`). Payload, exactly: `disclosure_id`, "
            "`delivery_id` (the webhook-id), `digest` (SHA-256 of the body received, hex), `status`, `iat` (at most "
            "5 minutes from now)."
        ),
    ),
]


class AcknowledgementBody(Message):
    """What an agency says of a disclosure it was sent."""

    model_config = ConfigDict(json_schema_extra=examples.example(_EXAMPLE))

    status: Annotated[AcknowledgementStatus, LAX]
    case_number: ShortText | None = None
    reason: LongText | None = None
    question: LongText | None = None
    jws: Jws | None = None

    def words(self) -> Words:
        """The agency's own words, and its signature."""
        return Words(self.case_number, self.reason, self.question, self.jws)


class AcknowledgementMade(Message):
    """An acknowledgement as it was stored."""

    id: str
    disclosure: str
    status: AcknowledgementStatus
    case_number: str | None
    reason: str | None
    question: str | None
    made_at: Moment
    signed_by: Annotated[str | None, Field(description=SIGNED_BY)]

    @classmethod
    def of(cls, made: Acknowledgement) -> Self:
        """One acknowledgement."""
        return cls(
            id=made.id,
            disclosure=made.disclosure_id,
            status=made.status,
            case_number=made.words.case_number,
            reason=made.words.reason,
            question=made.words.question,
            made_at=made.made_at,
            signed_by=made.key,
        )
