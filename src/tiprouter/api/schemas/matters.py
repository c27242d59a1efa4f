"""How is a matter told to the auditor whom it was opened to?

1. As the hotline wrote it, as it was decided, as it was sent and as it was answered: nothing is left out but what an
   endpoint answered to a request, which is nobody's statement.
2. What was erased is null; that it was there, and when, is told.
3. Whatever came to be has its place in the log, once it is there.
"""

import json
from typing import Any, Self

from tiprouter.api.schemas.consents import ConsentStanding
from tiprouter.api.schemas.decisions import DecisionBody
from tiprouter.api.schemas.disclosures import AttemptBody, DisclosureBody, Said, said_of
from tiprouter.api.schemas.duties import CallMade, DutyBody, LetterMade, RequestMade
from tiprouter.api.schemas.grants import GrantBody
from tiprouter.api.schemas.outcomes import Names, PersonName
from tiprouter.api.schemas.places import LogPlace
from tiprouter.api.schemas.records import CaseBody, TipBody
from tiprouter.api.schemas.reviews import ReviewBody
from tiprouter.api.schemas.words import Message, Moment
from tiprouter.domain.lateness import lateness_of
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import RecordKind
from tiprouter.storage.consents import Revision as ConsentRevision
from tiprouter.storage.decisions import Decision
from tiprouter.storage.records import Revision
from tiprouter.storage.reviews import Held, Rationale
from tiprouter.storage.whole_matter import Owed, Told
from tiprouter.workflow.opening import Opened


class RevisionOpened(Message):
    """One revision of the record as the hotline wrote it: its `tip` or its `case`; null once erased."""

    number: int
    made_at: Moment
    tip: TipBody | None
    case: CaseBody | None
    log: LogPlace | None

    @classmethod
    def of(cls, one: Revision, opened: Opened) -> Self:
        """A revision."""
        record = one.record
        is_tip = record is not None and record.kind is RecordKind.TIP
        return cls(
            number=one.number,
            made_at=one.made_at,
            tip=TipBody.of(record) if record is not None and is_tip else None,
            case=CaseBody.of(record) if record is not None and not is_tip else None,
            log=_place(opened, f"{opened.matter.record_id}~{one.number}"),
        )


class ConsentOpened(ConsentStanding):
    """One revision of a consent of one of the persons, as it was stored."""

    made_at: Moment
    log: LogPlace | None

    @classmethod
    def at(cls, one: ConsentRevision, opened: Opened) -> Self:
        """A revision of a consent."""
        told = ConsentStanding.of(one.consent, one.number)
        return cls(**dict(told), made_at=one.made_at, log=_place(opened, f"{one.consent.id}~{one.number}"))


class DecisionOpened(DecisionBody):
    """A decision with the facts that the policy saw; `salt` opens their commitment in the log."""

    facts: dict[str, Any] | None
    salt: str

    @classmethod
    def at(cls, one: Decision, opened: Opened, names: Names) -> Self:
        """A decision."""
        told = DecisionBody.of(one, names, opened.indexes.get(one.id))
        return cls(**dict(told), facts=None if one.facts is None else dict(one.facts), salt=one.salt)


class DisclosureOpened(DisclosureBody):
    """A disclosure or recall with what it carried, every attempt to deliver it, and the agency's words."""

    payload: dict[str, Any] | None
    attempts: tuple[AttemptBody, ...]
    acknowledgements: tuple[Said, ...]

    @classmethod
    def at(cls, one: Told, opened: Opened) -> Self:
        """A disclosure."""
        listed, indexes = one.listed, opened.indexes
        to = listed.disclosure.recipient_id
        known = {
            "recipient_kind": opened.kinds.get(to),
            "lateness": lateness_of(DeliveryState(listed.state), listed.deadline, listed.finished_at, opened.now),
            "log": _place(opened, listed.disclosure.id),
        }
        return cls(
            **dict(DisclosureBody.of(listed)) | known,
            payload=None if one.payload is None else json.loads(one.payload),
            attempts=tuple(AttemptBody.of(each, indexes.get(each.id)) for each in one.attempts),
            acknowledgements=tuple(said_of(each, indexes.get(each.id), with_words=True) for each in one.said),
        )


class DutyOpened(DutyBody):
    """A duty with every call, report in writing and request that people recorded for it."""

    calls: tuple[CallMade, ...]
    written_reports: tuple[LetterMade, ...]
    written_requests: tuple[RequestMade, ...]
    log: LogPlace | None

    @classmethod
    def at(cls, one: Owed, opened: Opened) -> Self:
        """A duty."""
        return cls(
            **dict(DutyBody.of(one.duty, opened.kinds)),
            calls=tuple(map(CallMade.of, one.calls)),
            written_reports=tuple(map(LetterMade.of, one.letters)),
            written_requests=tuple(map(RequestMade.of, one.requests)),
            log=_place(opened, one.duty.id),
        )


class ReviewOpened(ReviewBody):
    """A review with why it was answered so; null before an answer, and once erased."""

    rationale: str | None
    log: LogPlace | None

    @classmethod
    def at(cls, held: Held, why: Rationale | None, decision: Decision, names: Names, opened: Opened) -> Self:
        """A review of a decision."""
        told = ReviewBody.of(held, decision, names)
        return cls(**dict(told), rationale=None if why is None else why.text, log=_place(opened, held.id))


class MatterOpened(Message):
    """One record and everything that hangs from it, as a grant opened it; `persons` are those of the last revision."""

    grant: GrantBody
    record: str
    kind: RecordKind
    received_at: Moment
    erased_at: Moment | None
    persons: tuple[PersonName, ...]
    revisions: tuple[RevisionOpened, ...]
    consents: tuple[ConsentOpened, ...]
    decisions: tuple[DecisionOpened, ...]
    disclosures: tuple[DisclosureOpened, ...]
    duties: tuple[DutyOpened, ...]
    reviews: tuple[ReviewOpened, ...]

    @classmethod
    def of(cls, opened: Opened) -> Self:
        """An opened matter."""
        matter = opened.matter
        names, by_id = Names({}, opened.kinds), {one.id: one for one in matter.decisions}
        return cls(
            grant=GrantBody.of(opened.grant),
            record=matter.record_id,
            kind=matter.kind,
            received_at=matter.received_at,
            erased_at=matter.erased_at,
            persons=_persons(opened),
            revisions=tuple(RevisionOpened.of(one, opened) for one in matter.revisions),
            consents=tuple(ConsentOpened.at(one, opened) for one in matter.consents),
            decisions=tuple(DecisionOpened.at(one, opened, names) for one in matter.decisions),
            disclosures=tuple(DisclosureOpened.at(one, opened) for one in matter.told),
            duties=tuple(DutyOpened.at(one, opened) for one in matter.owed),
            reviews=tuple(
                ReviewOpened.at(held, why, by_id[held.decision_id], names, opened) for held, why in matter.reviews
            ),
        )


def _persons(opened: Opened) -> tuple[PersonName, ...]:
    last = opened.matter.revisions[-1].record
    refs = [None] * len(opened.matter.persons) if last is None else [person.ref for person in last.persons]
    return tuple(PersonName(ref=ref, id=one) for ref, one in zip(refs, opened.matter.persons, strict=False))


def _place(opened: Opened, what: str) -> LogPlace | None:
    return LogPlace.at(opened.indexes.get(what))
