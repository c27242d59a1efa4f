"""What does a recipient's endpoint get? (Standard Webhooks 1.0; made by `domain/redaction.py`)

Described here and nowhere else; a test holds this page and what redaction makes equal. A field that is not permitted
for a person is left out, and nothing hints that it was.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from tiprouter.api.schemas.words import LAX, Message, Moment, Some
from tiprouter.domain.notice import Severity
from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Category,
    Exploitation,
    Gender,
    JurisdictionReason,
    Outcome,
    Purpose,
    Relationship,
    Role,
    Urgency,
)

Label = Annotated[str, Field(pattern=r"^person-[1-9][0-9]*$", description="a person within this disclosure alone")]


class AboutDisclosure(Message):
    """What every message says about itself: put a matter's messages in order by `sequence`."""

    disclosure_id: str
    matter_id: str
    sequence: int
    recipient_id: str
    purpose: Annotated[Purpose, LAX]
    deadline: Moment
    redisclosure_notice: str


class ToldPlace(Message):
    """A place of the situation that this recipient serves."""

    code: str
    reason: Annotated[JurisdictionReason, LAX]
    county: str | None


class ToldIdentity(Message):
    """Who the person is; only with category `identity`."""

    first_name: str | None = None
    middle_name: str | None = None
    second_name: str | None = None
    nickname: str | None = None
    description: str | None = None
    identity_number: str | None = None
    gender: Gender | None = None


class ToldContact(Message):
    """How the person can be reached safely; only with category `contact`."""

    email: str | None = None
    phone: str | None = None
    safe_channel: str | None = None
    safe_time: str | None = None


class ToldPerson(Message):
    """A person about whom this recipient may be told, on which basis, and what."""

    person: Label
    role: Annotated[Role, LAX]
    outcome: Annotated[Outcome, LAX]
    basis: Some[str]
    categories: Some[Annotated[Category, LAX]]
    age_band: Annotated[AgeBand, LAX] | None = None
    identity: ToldIdentity | None = None
    contact: ToldContact | None = None
    health: str | None = None
    immigration: str | None = None


class ToldStatement(Message):
    """A statement that every person it is about permits."""

    persons: Some[Label]
    category: Annotated[Category, LAX] | None
    text: str


class ToldLocation(Message):
    """Where it happens; only when everyone it is about permits `location`."""

    street: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    description: str | None = None
    persons: Some[Label]


class ToldViolence(Message):
    """The indicators of imminent danger; only with category `incident`."""

    immediate: Annotated[Answer, LAX]
    escalating: Annotated[Answer, LAX]


class ToldSignaler(Message):
    """Who contacted the hotline; only with category `signaler_identity`."""

    person: Label
    relationship: Annotated[Relationship, LAX]


class MadeData(AboutDisclosure):
    """What this recipient may read of this record."""

    signaled_at: Moment
    received_at: Moment
    jurisdictions: Some[ToldPlace]
    persons: Some[ToldPerson]
    statements: Some[ToldStatement]
    exploitation: Some[Annotated[Exploitation, LAX]] | None = None
    violence: ToldViolence | None = None
    location: ToldLocation | None = None
    signaler: ToldSignaler | None = None


class RecalledData(AboutDisclosure):
    """Consent for the disclosure `recalls` was withdrawn: it carries ids only."""

    recalls: str
    reason: Literal["consent_withdrawn"]


class AnsweredData(AboutDisclosure):
    """The hotline's answer to a question of yours.

    `answers` is the acknowledgement that asked, `asked_about` the disclosure it was about, and `labels_of` the
    disclosure by whose numbering persons are named.
    """

    answers: str
    asked_about: str
    labels_of: str
    statement: ToldStatement


class AvailableData(Message):
    """What waits, by its ids: pull it with `GET /v1/inbox/{delivery_id}`."""

    delivery_id: str
    disclosure_id: str
    matter_id: str
    sequence: int
    recipient_id: str
    urgency: Annotated[Urgency, LAX]
    deadline: Moment


_TITLED = ConfigDict(json_schema_extra={"description": "The body of a webhook; verify its signature before reading."})


class DisclosureMade(Message):
    """A disclosure."""

    model_config = _TITLED

    type: Literal["disclosure.made"]
    timestamp: Moment
    data: MadeData


class DisclosureRecalled(Message):
    """A recall."""

    model_config = _TITLED

    type: Literal["disclosure.recalled"]
    timestamp: Moment
    data: RecalledData


class DisclosureAnswered(Message):
    """An answer to a question."""

    model_config = _TITLED

    type: Literal["disclosure.answered"]
    timestamp: Moment
    data: AnsweredData


class DisclosureAvailable(Message):
    """An announcement."""

    model_config = _TITLED

    type: Literal["disclosure.available"]
    timestamp: Moment
    data: AvailableData


class ChallengeData(Message):
    """The token to prove with: HMAC-SHA-256 of `endpoint.challenge.<webhook-id>.<token>` under the verification key."""

    recipient_id: str
    token: str


class TestData(Message):
    """Nothing but whom it is for."""

    __test__ = False

    recipient_id: str


class ChangingData(Message):
    """The names of what would differ, and until when a second person may confirm it."""

    recipient_id: str
    change_id: str
    changes: Some[str]
    confirm_before: Moment


class EndpointChallenge(Message):
    """A question whether this endpoint is yours; answer 200 with `{"proof": "<hex>"}`."""

    model_config = _TITLED

    type: Literal["endpoint.challenge"]
    timestamp: Moment
    data: ChallengeData


class EndpointTest(Message):
    """A test."""

    model_config = _TITLED

    type: Literal["endpoint.test"]
    timestamp: Moment
    data: TestData


class EndpointChanging(Message):
    """A proposed change of this endpoint."""

    model_config = _TITLED

    type: Literal["endpoint.changing"]
    timestamp: Moment
    data: ChangingData


class RaisedData(Message):
    """What happened, what to do, and where to look (a path of the API). Ids, fixed sentences and times only."""

    notice_id: str
    reason: str
    severity: Annotated[Severity, LAX]
    subject: str | None
    record: str | None
    deadline: Moment | None
    due_at: Moment
    raised_at: Moment
    repeat: Annotated[int, Field(ge=0, description="0 for the first page; then each repeat of an imminent notice")]
    what_happened: str
    what_to_do: str
    look_at: str


class NoticeRaised(Message):
    """A notice, to the operator's own webhook."""

    model_config = _TITLED

    type: Literal["notice.raised"]
    timestamp: Moment
    data: RaisedData
