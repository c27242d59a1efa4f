"""How are an endpoint's keys, its proposed changes, its tests and its health spelt?"""

import json
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.queries import Query
from tiprouter.api.schemas.recipients import AcknowledgementKeyBody, AcknowledgementKeyShown, RecipientBody, Url
from tiprouter.api.schemas.words import LAX, Day, Message, Moment, Some
from tiprouter.delivery.encryption import EncryptionError, parse_key
from tiprouter.domain.breaker import BreakerState
from tiprouter.domain.endpoint_states import ChangeState, EndpointState
from tiprouter.domain.recipient import DeliveryMode, EncryptionKey
from tiprouter.errors import InvalidError
from tiprouter.storage.endpoint_changes import Change
from tiprouter.storage.endpoints import EndpointMessage
from tiprouter.workflow.endpoint_changes import Wish
from tiprouter.workflow.endpoint_health import Health
from tiprouter.workflow.key_rotation import Rotated

_Base64Url = Annotated[str, Field(min_length=1, max_length=1_400, pattern=r"^[A-Za-z0-9_-]+$")]
_Pem = Annotated[str, Field(max_length=65_536, pattern=r"^[\n\r -~]*$")]
_SecretPem = Annotated[str, Field(max_length=65_536, pattern=r"^[\n\r -~]*$", repr=False)]
_CHANGE: Final[dict[str, Any]] = {"url": "https://new.agency.example/tiprouter"}


class EncryptionKeyBody(Message):
    """A public JWK (RFC 7517) to encrypt to: EC (P-256, P-384), OKP (X25519) or RSA; used from `not_before` on."""

    kty: Literal["EC", "OKP", "RSA"]
    crv: Literal["P-256", "P-384", "X25519"] | None = None
    x: _Base64Url | None = None
    y: _Base64Url | None = None
    n: _Base64Url | None = None
    e: _Base64Url | None = None
    kid: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] | None = None
    not_before: Annotated[Moment | None, Field(description="now when it is left out")] = None
    until: Moment | None = None

    def to_domain(self, now: datetime) -> EncryptionKey:
        """The key. Raises `InvalidError`."""
        names = ("kty", "crv", "x", "y", "n", "e", "kid")
        members = {name: value for name in names if (value := getattr(self, name)) is not None}
        try:
            key = parse_key(json.dumps(members), self.not_before or now, self.until)
        except EncryptionError as error:
            raise InvalidError(str(error), "/encryption_keys") from None
        return EncryptionKey(key.id, key.jwk, key.not_before, key.until)


class EncryptionKeyShown(Message):
    """A registered key: its id (`kid`), its canonical JWK, and the time in which it is used."""

    id: str
    jwk: str
    not_before: Moment
    until: Moment | None

    @classmethod
    def of(cls, key: EncryptionKey) -> Self:
        """A key."""
        return cls(id=key.id, jwk=key.jwk, not_before=key.not_before, until=key.until)


class RecipientNew(RecipientBody):
    """An agency to register; with keys to encrypt to, authorities to believe, and a certificate of ours to show it."""

    encryption_keys: Annotated[Some[EncryptionKeyBody], Field(max_length=8)] = ()
    authorities: Annotated[_Pem, Field(description="PEM; the system's when it is left out")] = ""
    certificate: Annotated[_Pem, Field(description="PEM; shown to this endpoint alone")] = ""
    private_key: Annotated[_SecretPem, Field(description="of `certificate`; sealed, and never shown again")] = ""


class ChangeWanted(Message):
    """What is to be different; what is left out stays. `private_key` is that of `certificate`."""

    model_config = ConfigDict(json_schema_extra=examples.example(_CHANGE))

    url: Url | None = None
    delivery_mode: Annotated[DeliveryMode, LAX] = DeliveryMode.PUSH
    acknowledgement_key: AcknowledgementKeyBody | None = None
    encryption_keys: Annotated[Some[EncryptionKeyBody], Field(max_length=8)] = ()
    authorities: _Pem = ""
    certificate: _Pem = ""
    private_key: _SecretPem = ""

    def wish(self, recipient_id: str, revision: int, now: datetime) -> Wish:
        """The proposal in the words of the story. Raises `InvalidError`."""
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set - {"private_key"}}
        if "encryption_keys" in given:
            given["encryption_keys"] = tuple(key.to_domain(now) for key in self.encryption_keys)
        if self.acknowledgement_key is not None:
            given["acknowledgement_key"] = self.acknowledgement_key.to_domain()
        return Wish(recipient_id, revision, given, self.private_key)


class ChangeBody(Message):
    """A proposed change: what differs, how the endpoint would be, who proposed it, until when it may be confirmed."""

    id: str
    recipient: str
    revision: int
    state: ChangeState
    changes: tuple[str, ...]
    url: str | None
    delivery_mode: DeliveryMode
    acknowledgement_key: AcknowledgementKeyShown | None
    encryption_keys: tuple[EncryptionKeyShown, ...]
    authorities: str
    certificate: str
    proposed_by: str
    proposed_at: Moment
    confirm_until: Moment
    ended_by: str | None
    ended_at: Moment | None

    @classmethod
    def of(cls, change: Change) -> Self:
        """A change."""
        wanted, key = change.wanted, change.wanted.acknowledgement_key
        names = [name for name in cls.model_fields if name in Change.__slots__]
        return cls(
            **{name: getattr(change, name) for name in names},
            recipient=change.recipient_id,
            url=wanted.url,
            delivery_mode=wanted.delivery_mode,
            acknowledgement_key=None if key is None else AcknowledgementKeyShown.of(key),
            encryption_keys=tuple(map(EncryptionKeyShown.of, wanted.encryption_keys)),
            authorities=wanted.authorities,
            certificate=wanted.certificate,
        )


class ChangeList(Message):
    """A page of changes."""

    items: tuple[ChangeBody, ...]


class RotationWanted(Message):
    """For how many days the old signing keys sign beside the new one."""

    overlap_days: Annotated[int, Field(ge=0, le=7)] = 2


class RotatedBody(Message):
    """A new signing key. A `whsec_...` is shown in this answer and never again."""

    id: str
    verification_key: str
    old_end_at: Moment

    @classmethod
    def of(cls, done: Rotated) -> Self:
        """A rotation."""
        return cls(id=done.key_id, verification_key=done.verification_key, old_end_at=done.old_end_at)


class TestBody(Message):
    """What came of a test; `result` null says that no worker sent it within 20 seconds."""

    __test__ = False

    id: str
    result: str | None
    status: int | None
    duration_ms: int | None
    finished_at: Moment | None

    @classmethod
    def of(cls, message: EndpointMessage) -> Self:
        """A test."""
        return cls(**{name: getattr(message, name) for name in cls.model_fields})


class HealthQuery(Query):
    """Over how many days."""

    days: Annotated[int, Field(ge=1, le=31)] = 14


class HealthDayBody(Message):
    """One UTC day; durations in milliseconds, from an attempt's being written to its end."""

    day: Day
    attempts: int
    successes: int
    p50_ms: int | None
    p99_ms: int | None
    openings: int


class HealthBody(Message):
    """How an endpoint is and was, newest day first. `whole` is false where only the newest attempts were counted."""

    recipient: str
    state: EndpointState
    state_since: Moment
    verified_at: Moment | None
    breaker: BreakerState
    last_success_at: Moment | None
    last_failure_at: Moment | None
    max_per_second: int | None
    max_at_once: int | None
    days: tuple[HealthDayBody, ...]
    whole: bool

    @classmethod
    def of(cls, found: Health) -> Self:
        """An endpoint's health."""
        names = [name for name in cls.model_fields if name not in ("recipient", "days")]
        days = tuple(
            HealthDayBody(**{name: getattr(one, name) for name in HealthDayBody.model_fields}) for one in found.days
        )
        return cls(recipient=found.recipient_id, days=days, **{name: getattr(found, name) for name in names})
