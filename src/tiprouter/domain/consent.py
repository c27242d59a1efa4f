"""What do one person's consents say about telling one recipient one category of data?

1. A grant needs an informed checklist without a gap, and an end: no expiry means void (decision rule 8).
2. A grant counts only inside its scope: recipient named or kind named, purpose, category, and every place of the record
   that the recipient serves. Consent to a service provider is not consent to police: a kind that is not named is out
   of scope.
3. A refusal, a withdrawal or a narrowing that takes the question out wins over any grant spoken before it. A narrowing
   word counts from when it was heard, however long ago it is said to have been spoken.
4. A guardian's grant counts only while that guardian is clear: the grant says who they are to the person, and who
   attested when that nothing implicates them; the record knows them, and does not implicate them either. Unknown is
   implicated. A grant that does not name its guardian is as good as the worst of those whom the record knows
   (34 U.S.C. 12291(b)(2)(B): consent may not be given by the abuser of the minor).
5. A minor's grant needs the minor and a guardian (`both`), unless the jurisdiction lets the minor alone.
   An adult's grant comes from the adult: a guardian alone cannot give it.
6. No consent at all is `not_asked`; consents that all miss the question are `out_of_scope`.
7. A grant that waits to be confirmed, or lapsed unconfirmed, counts for nothing (`domain/widening.py`).

Not promised: that a grant was freely given. That is the advocate's to judge, and why narrowing is immediate.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

from tiprouter.domain.recipient import NATIONWIDE, Recipient
from tiprouter.domain.record import Guardian
from tiprouter.domain.subject_states import ConsentPhase
from tiprouter.domain.vocabulary import (
    PURPOSE_OF,
    AgeBand,
    Answer,
    Category,
    ConsentMethod,
    ConsentState,
    Grantor,
    Purpose,
    RecipientKind,
)


@unique
class Choice(StrEnum):
    """What the person said."""

    GRANT = "grant"
    REFUSE = "refuse"


@unique
class InformedItem(StrEnum):
    """What a person is told before they choose, so that a yes is informed.

    Who, what and why: 28 CFR 90.4(b)(3)(ii). An end, and no service that hangs on it: 34 U.S.C. 12291(b)(2). The limits
    of confidentiality, the risks and taking it back: the field's practice (NNEDV, releases and waivers at a glance).
    """

    RECIPIENTS = "recipients"  # who receives it
    INFORMATION = "information"  # what of it they receive
    PURPOSE = "purpose"  # what for
    CONFIDENTIALITY_LIMITS = "confidentiality_limits"  # what must be told whatever the person says
    RISKS = "risks"  # what may follow from telling
    WITHDRAWAL = "withdrawal"  # that they may take it back at any time
    EXPIRY = "expiry"  # when it ends by itself
    VOLUNTARY = "voluntary"  # that they need not, and lose no help by it


@dataclass(frozen=True, slots=True)
class Question:
    """Whom a consent is asked about: the person's age band and whether a minor may consent alone here.

    `places` are the codes of the record's places that the recipient serves; its own where it serves none of them.
    `guardians` are those whom the record knows of the person, as far as it implicates them.
    """

    recipient: Recipient
    age: AgeBand
    minor_alone: bool
    places: tuple[str, ...] = ()
    guardians: tuple[Guardian, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """What a consent is about. No `jurisdictions` means anywhere; otherwise these places and no other."""

    recipients: tuple[str, ...]
    kinds: tuple[RecipientKind, ...]
    purposes: tuple[Purpose, ...]
    categories: tuple[Category, ...]
    jurisdictions: tuple[str, ...] = ()
    expires_at: datetime | None = None

    def grants(self, question: Question, category: Category) -> bool:
        """Whether the whole question is inside: every place of it (rule 2)."""
        return (
            (question.recipient.id in self.recipients or question.recipient.kind in self.kinds)
            and PURPOSE_OF[question.recipient.kind] in self.purposes
            and category in self.categories
            and (not self.jurisdictions or (bool(question.places) and all(map(self._holds, question.places))))
        )

    def touches(self, question: Question, category: Category, *, bare: bool = False) -> bool:
        """Whether some of the question is inside; `bare`: what is left empty means everything (a refusal's scope)."""
        anyone, recipient = bare and not (self.recipients or self.kinds), question.recipient
        return (
            (anyone or recipient.id in self.recipients or recipient.kind in self.kinds)
            and (PURPOSE_OF[recipient.kind] in self.purposes or (bare and not self.purposes))
            and (category in self.categories or (bare and not self.categories))
            and (not (self.jurisdictions and question.places) or any(map(self._holds, question.places)))
        )

    def _holds(self, place: str) -> bool:
        return place in self.jurisdictions or NATIONWIDE in self.jurisdictions


@dataclass(frozen=True, slots=True)
class Narrowing:
    """When a grant was narrowed, and what it was about until then."""

    at: datetime
    before: Scope


@dataclass(frozen=True, slots=True)
class Guardianship:
    """Who the guardian is to the person, and who attests that nothing implicates them.

    `ref` is which of the record's guardians it is.
    """

    relationship: str
    attested_by: str | None = None
    attested_at: datetime | None = None
    ref: str | None = None

    @property
    def vouched(self) -> bool:
        """Whether it says who the guardian is, and somebody else has attested that nothing implicates them."""
        said = bool(self.relationship.strip()) and bool((self.attested_by or "").strip())
        return said and self.attested_at is not None and self.attested_by != self.ref


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Into which language somebody interpreted, and whether they were there rather than on a line."""

    language: str
    present: bool


@dataclass(frozen=True, slots=True)
class SafeContact:
    """How and when the person says that they can be reached safely."""

    channel: str | None = None
    time: str | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """One grant or refusal. Empty scopes of a refusal mean everything; a grant's scopes are never empty.

    `informed` is what the person was told; a bare yes is all of it, a bare no nothing (`untold`). `recorded_at` is when
    the hotline sent it, `confirm_from` when what waits may be said again; `phase` None is of those stored before phases
    were (`life`).
    """

    id: str
    person_id: str
    choice: Choice
    grantor: Grantor
    guardian_implicated: Answer
    recipients: tuple[str, ...]
    kinds: tuple[RecipientKind, ...]
    purposes: tuple[Purpose, ...]
    categories: tuple[Category, ...]
    method: ConsentMethod
    informed: bool | tuple[InformedItem, ...]
    given_at: datetime
    valid_from: datetime
    expires_at: datetime | None
    withdrawn_at: datetime | None = None
    jurisdictions: tuple[str, ...] = ()
    recorded_at: datetime | None = None
    confirm_from: datetime | None = None
    confirmed_at: datetime | None = None
    phase: ConsentPhase | None = None
    narrowed: tuple[Narrowing, ...] = ()
    guardian: Guardianship | None = None
    interpreter: Interpreter | None = None
    witness: str | None = None
    safe_contact: SafeContact | None = None

    @property
    def scope(self) -> Scope:
        """What it is about now."""
        return Scope(self.recipients, self.kinds, self.purposes, self.categories, self.jurisdictions, self.expires_at)

    @property
    def checklist(self) -> tuple[InformedItem, ...]:
        """What the person was told before they chose, in the vocabulary's order."""
        if isinstance(self.informed, bool):
            return tuple(InformedItem) if self.informed else ()
        return tuple(item for item in InformedItem if item in self.informed)

    @property
    def untold(self) -> tuple[InformedItem, ...]:
        """What the person was not told; nothing, when their choice is an informed one (rule 1)."""
        if self.informed is True:
            return ()
        told = self.checklist
        return tuple(item for item in InformedItem if item not in told)

    @property
    def vouched(self) -> bool:
        """Whether it needs no guardian, or says whose it is and who attested to them (rule 4)."""
        return self.grantor is Grantor.SELF or (self.guardian is not None and self.guardian.vouched)

    @property
    def life(self) -> ConsentPhase:
        """Its stored phase."""
        return self.phase or (ConsentPhase.STANDING if self.withdrawn_at is None else ConsentPhase.WITHDRAWN)

    @property
    def stood(self) -> bool:
        """Whether it stands or ever stood (rule 7)."""
        return self.life not in (ConsentPhase.PENDING, ConsentPhase.LAPSED, ConsentPhase.ERASED)

    @property
    def named(self) -> frozenset[str]:
        """The recipients that it names or named while it stood, if it is a grant."""
        if self.choice is Choice.REFUSE or not self.stood:
            return frozenset()
        return frozenset(self.recipients).union(*(past.before.recipients for past in self.narrowed))


@dataclass(frozen=True, slots=True)
class Word:
    """What one consent says to a question, and since when."""

    spoken: datetime
    consent: str
    state: ConsentState
    narrows: bool = True

    @property
    def place(self) -> tuple[datetime, bool, str]:
        """Which word is the last; of two spoken at once, the narrowing one."""
        return self.spoken, self.narrows, self.consent


def state_of(consents: Iterable[Consent], question: Question, category: Category, now: datetime) -> ConsentState:
    """The state for one category, by the last word that was spoken about it (rules 1-7)."""
    known = [consent for consent in consents if consent.stood]
    if not known:
        return ConsentState.NOT_ASKED
    words = [word for consent in known for word in words_of(consent, question, category, now)]
    return max(words, key=lambda word: word.place).state if words else ConsentState.OUT_OF_SCOPE


def words_of(consent: Consent, question: Question, category: Category, now: datetime) -> Iterator[Word]:
    """What a consent that stood says to a question: at most one word for each time that it changed."""
    if consent.choice is Choice.REFUSE:
        if consent.scope.touches(question, category, bare=True):
            yield Word(narrowed_at(consent), consent.id, ConsentState.REFUSED)
        return
    scopes = [*(past.before for past in consent.narrowed), consent.scope]
    for past, after in zip(consent.narrowed, scopes[1:], strict=True):
        if past.before.touches(question, category) and not after.grants(question, category):
            yield Word(past.at, consent.id, ConsentState.WITHDRAWN)
    if consent.withdrawn_at is not None:
        if consent.scope.touches(question, category):
            yield Word(consent.withdrawn_at, consent.id, ConsentState.WITHDRAWN)
    elif consent.scope.grants(question, category):
        yield _granting(consent, question, now)


def narrowed_at(consent: Consent) -> datetime:
    """When a refusal counts from: rule 3."""
    return max(consent.given_at, consent.recorded_at or consent.given_at)


def spoken_at(consent: Consent) -> datetime:
    """When a grant was last said: it was confirmed, or given."""
    return consent.confirmed_at or consent.given_at


def _granting(consent: Consent, question: Question, now: datetime) -> Word:
    state = _standing(consent, question, now)
    ends = [past.at for past in consent.narrowed if past.before.expires_at != consent.expires_at]
    if state is ConsentState.EXPIRED and ends:
        return Word(ends[-1], consent.id, state)  # its end was brought forward, which nothing older outlives
    return Word(spoken_at(consent), consent.id, state, narrows=False)


def _standing(consent: Consent, question: Question, now: datetime) -> ConsentState:
    if consent.expires_at is None or consent.untold or not _may_grant(consent, question):
        return ConsentState.VOID
    if now < consent.valid_from:
        return ConsentState.NOT_ASKED
    if now >= consent.expires_at:
        return ConsentState.EXPIRED
    return ConsentState.GRANTED


def _may_grant(consent: Consent, question: Question) -> bool:
    if consent.grantor is not Grantor.SELF and not _guardian_clear(consent, question.guardians):
        return False
    if question.age is AgeBand.MINOR:
        return consent.grantor is Grantor.BOTH or (consent.grantor is Grantor.SELF and question.minor_alone)
    return consent.grantor is not Grantor.GUARDIAN


def _guardian_clear(consent: Consent, recorded: tuple[Guardian, ...]) -> bool:
    """Rule 4. Whom the grant does not name may be any of them; nobody is clear whom the record does not know."""
    if consent.guardian is None or not consent.vouched or consent.guardian_implicated is not Answer.NO:
        return False
    named = consent.guardian.ref
    possible = [one for one in recorded if named in (None, one.ref)]
    return bool(possible) and all(one.implicated is Answer.NO for one in possible)


def gaps_of(consent: Consent) -> Iterator[tuple[str, str]]:
    """What a guardian's grant lacks so that it could ever count, as (JSON pointer, message) pairs (rule 4)."""
    if consent.choice is Choice.REFUSE or consent.vouched:
        return
    guardian = consent.guardian
    if guardian is None:
        yield "/guardian", "A guardian's grant needs this field."
        return
    for name in ("relationship", "attested_by", "attested_at"):
        word = getattr(guardian, name)
        if not (word.strip() if isinstance(word, str) else word):
            yield f"/guardian/{name}", "A guardian's grant needs this field."
    if guardian.attested_by is not None and guardian.attested_by == guardian.ref:
        yield "/guardian/attested_by", "Nobody attests to themselves."


def changes_after(consents: Iterable[Consent], now: datetime) -> Iterable[datetime]:
    """The moments after `now` at which time alone changes an answer: a start or an end of validity."""
    for consent in consents:
        for moment in (consent.valid_from, consent.expires_at):
            if moment is not None and moment > now and consent.stood:
                yield moment
