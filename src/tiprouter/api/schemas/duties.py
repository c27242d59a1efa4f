"""How is a duty told, and how does a person record the evidence for it?

What people write of a call or a letter is personal data: sealed at rest, never logged, and null for the auditor, who
learns that there is evidence and when.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.consents import PersonId
from tiprouter.api.schemas.outcomes import RecipientName
from tiprouter.api.schemas.words import LAX, LongText, Message, Moment, Place, ShortText
from tiprouter.domain.discharge import CallOutcome, EvidenceKind, StandingDuty
from tiprouter.domain.states import DutyPhase
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage.duties import Call, CallWords, Letter, LetterWords, RequestWords, WrittenRequest
from tiprouter.workflow.duty_inquiry import Docket
from tiprouter.workflow.evidence import Called, Wrote

CALL: Final[dict[str, Any]] = {
    "outcome": "reached",
    "called_at": "2026-03-02T15:10:00.000Z",
    "caller": "Example Worker",
    "number": "+1-555-0101",
    "spoken_to": "Example Officer",
    "reference": "EX-2026-0002",
}
LETTER: Final[dict[str, Any]] = {
    "sent_at": "2026-03-03T15:10:00.000Z",
    "sent_by": "Example Worker",
    "reference": "EX-2026-0002",
}
REQUEST: Final[dict[str, Any]] = {
    "requested_at": "2026-03-02T16:10:00.000Z",
    "asked_by": "Example Officer",
    "reference": "EX-2026-0002",
}


class CallBody(Message):
    """A telephone call that somebody made for a duty.

    `reference` is the agency's own number, and needed when somebody was reached. `kind` and `jurisdiction` say who was
    called where the duty's own agency cannot be: none was found, or it is accused.
    """

    model_config = ConfigDict(json_schema_extra=examples.example(CALL))

    outcome: Annotated[CallOutcome, LAX]
    called_at: Moment
    caller: ShortText
    number: Annotated[str, Field(pattern=r"^[+0-9][0-9 ().x-]{2,39}$", examples=["+1-555-0101"])]
    spoken_to: ShortText | None = None
    reference: ShortText | None = None
    note: LongText | None = None
    kind: Annotated[RecipientKind, LAX] | None = None
    jurisdiction: Place | None = None

    def called(self) -> Called:
        """The call as the story takes it."""
        words = CallWords(self.caller, self.number, self.spoken_to, self.reference, self.note)
        return Called(self.outcome, self.called_at, words, self.kind, self.jurisdiction)


class LetterBody(Message):
    """A report in writing that followed; `kind` and `jurisdiction` as of a call, where it was not to who was called."""

    model_config = ConfigDict(json_schema_extra=examples.example(LETTER))

    sent_at: Moment
    sent_by: ShortText
    reference: ShortText
    note: LongText | None = None
    kind: Annotated[RecipientKind, LAX] | None = None
    jurisdiction: Place | None = None

    def wrote(self) -> Wrote:
        """The report as the story takes it."""
        words = LetterWords(self.sent_by, self.reference, self.note)
        return Wrote(self.sent_at, words, self.kind, self.jurisdiction)


class RequestBody(Message):
    """An agency's request for a report in writing. Where the law gives a time for it, the time runs from then on."""

    model_config = ConfigDict(json_schema_extra=examples.example(REQUEST))

    requested_at: Moment
    asked_by: ShortText
    reference: ShortText | None = None
    note: LongText | None = None

    def words(self) -> RequestWords:
        """What is said of it."""
        return RequestWords(self.asked_by, self.reference, self.note)


class PartBody(Message):
    """One part of a duty: one of `kinds` must be told. `row` is null where no duty row says so."""

    row: str | None
    jurisdiction: str | None
    kinds: tuple[RecipientKind, ...]


class DutyBody(Message):
    """What must be told, to whom, by when, and what showed that it was.

    `blocked`: nothing is sent for it. `accused`: its agency is, and nothing that it says is evidence. `evidence` is the
    acknowledgement or call that discharged it. `current` is false once a later duty took its place.
    """

    id: str
    record: str
    person: PersonId
    recipient: RecipientName | None
    decision: str
    state: DutyPhase
    current: bool
    parts: tuple[PartBody, ...]
    telephone_call: bool
    blocked: bool
    accused: bool
    opened_at: Moment
    deadline: Moment
    written_report_by: Moment | None
    written_report: str | None
    discharged_by: EvidenceKind | None
    evidence: str | None
    ended_at: Moment | None
    cause: str | None

    @classmethod
    def of(cls, duty: StandingDuty, kinds: Mapping[str, RecipientKind]) -> Self:
        """A duty; `kinds` are the recipients'."""
        return cls(**_values(duty, kinds))


class DutyList(Message):
    """A page of duties."""

    items: tuple[DutyBody, ...]


class CallMade(Message):
    """A call as it was stored; its words are null for the auditor."""

    id: str
    outcome: CallOutcome
    kind: RecipientKind | None
    jurisdiction: str | None
    called_at: Moment
    made_by: str
    made_at: Moment
    caller: str | None
    number: str | None
    spoken_to: str | None
    reference: str | None
    note: str | None

    @classmethod
    def of(cls, call: Call, *, with_words: bool = True) -> Self:
        """A call."""
        words = call.words
        told: dict[str, Any] = {
            name: getattr(words, name) if with_words and words else None for name in CallWords.__slots__
        }
        same: dict[str, Any] = {
            name: getattr(call, name) for name in ("id", "outcome", "kind", "called_at", "made_by", "made_at")
        }
        return cls(**same, **told, jurisdiction=call.place or None)


class LetterMade(Message):
    """A report in writing as it was stored; its words are null for the auditor."""

    id: str
    kind: RecipientKind | None
    jurisdiction: str | None
    sent_at: Moment
    made_by: str
    made_at: Moment
    sent_by: str | None
    reference: str | None
    note: str | None

    @classmethod
    def of(cls, letter: Letter, *, with_words: bool = True) -> Self:
        """A report in writing."""
        told: dict[str, Any] = {
            name: getattr(letter.words, name) if with_words and letter.words else None for name in LetterWords.__slots__
        }
        same: dict[str, Any] = {name: getattr(letter, name) for name in ("id", "kind", "sent_at", "made_by", "made_at")}
        return cls(**same, **told, jurisdiction=letter.place or None)


class RequestMade(Message):
    """A request for a report in writing as it was stored; its words are null for the auditor."""

    id: str
    requested_at: Moment
    made_by: str
    made_at: Moment
    asked_by: str | None
    reference: str | None
    note: str | None

    @classmethod
    def of(cls, request: WrittenRequest, *, with_words: bool = True) -> Self:
        """A request."""
        words = request.words if with_words else None
        told: dict[str, Any] = {name: getattr(words, name) if words else None for name in RequestWords.__slots__}
        same: dict[str, Any] = {name: getattr(request, name) for name in ("id", "requested_at", "made_by", "made_at")}
        return cls(**same, **told)


class DutyFull(DutyBody):
    """A duty, every call, request and report in writing recorded for it, and the other duties about the same person."""

    calls: tuple[CallMade, ...]
    written_reports: tuple[LetterMade, ...]
    written_requests: tuple[RequestMade, ...]
    others: tuple[DutyBody, ...]

    @classmethod
    def told(cls, docket: Docket, kinds: Mapping[str, RecipientKind], *, with_words: bool) -> Self:
        """A duty with its evidence; `with_words` shows what people wrote."""
        return cls(
            **_values(docket.duty, kinds),
            calls=tuple(CallMade.of(call, with_words=with_words) for call in docket.calls),
            written_reports=tuple(LetterMade.of(letter, with_words=with_words) for letter in docket.letters),
            written_requests=tuple(RequestMade.of(one, with_words=with_words) for one in docket.requests),
            others=tuple(DutyBody.of(one, kinds) for one in docket.others),
        )


class CallRecorded(Message):
    """A call, and the duty as it is after it."""

    call: CallMade
    duty: DutyBody


class LetterRecorded(Message):
    """A report in writing, and the duty as it is after it."""

    written_report: LetterMade
    duty: DutyBody


class RequestRecorded(Message):
    """A request for a report in writing, and the duty as it is after it."""

    written_request: RequestMade
    duty: DutyBody


def _values(duty: StandingDuty, kinds: Mapping[str, RecipientKind]) -> dict[str, Any]:
    same = "id current blocked opened_at deadline discharged_by ended_at cause"
    to = duty.recipient_id
    return {name: getattr(duty, name) for name in same.split()} | {
        "record": duty.record_id,
        "person": PersonId(id=duty.person_id),
        "recipient": None if to is None else RecipientName(id=to, kind=kinds[to]),
        "decision": duty.decision_id,
        "state": duty.phase,
        "parts": tuple(
            PartBody(row=share.row or None, jurisdiction=share.place or None, kinds=share.kinds)
            for share in duty.shares
        ),
        "telephone_call": duty.needs_call,
        "accused": duty.barred,
        "written_report_by": duty.written_by,
        "written_report": duty.written_id,
        "evidence": duty.evidence_id,
    }
