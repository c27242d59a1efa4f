"""What do one person's consents say about telling one recipient one category of data?

1. A grant needs an informed checklist and an end: no expiry means void (decision rule 8).
2. A grant counts only inside its scope: recipient named or kind named, purpose, category, and every place of the record
   that the recipient serves. Consent to a service provider is not consent to police: a kind that is not named is out
   of scope.
3. A refusal, a withdrawal or a narrowing that takes the question out wins over any grant spoken before it. A narrowing
   word counts from when it was heard, however long ago it is said to have been spoken.
4. A guardian who is implicated, or whose implication is unknown, makes a guardian's grant void.
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


@dataclass(frozen=True, slots=True)
class Question:
    """Whom a consent is asked about: the person's age band and whether a minor may consent alone here.

    `places` are the codes of the record's places that the recipient serves; its own where it serves none of them.
    """

    recipient: Recipient
    age: AgeBand
    minor_alone: bool
    places: tuple[str, ...] = ()


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
    """Who the guardian is to the person, and who attests that nothing implicates them."""

    relationship: str
    attested_by: str | None = None
    attested_at: datetime | None = None


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

    `recorded_at` is when the hotline sent it, `confirm_from` when what waits may be said again; `phase` None is of
    those stored before phases were (`life`).
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
    informed: bool
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
    if consent.expires_at is None or not consent.informed or not _may_grant(consent, question):
        return ConsentState.VOID
    if now < consent.valid_from:
        return ConsentState.NOT_ASKED
    if now >= consent.expires_at:
        return ConsentState.EXPIRED
    return ConsentState.GRANTED


def _may_grant(consent: Consent, question: Question) -> bool:
    if consent.grantor is not Grantor.SELF and consent.guardian_implicated is not Answer.NO:
        return False
    if question.age is AgeBand.MINOR:
        return consent.grantor is Grantor.BOTH or (consent.grantor is Grantor.SELF and question.minor_alone)
    return consent.grantor is not Grantor.GUARDIAN


def changes_after(consents: Iterable[Consent], now: datetime) -> Iterable[datetime]:
    """The moments after `now` at which time alone changes an answer: a start or an end of validity."""
    for consent in consents:
        for moment in (consent.valid_from, consent.expires_at):
            if moment is not None and moment > now and consent.stood:
                yield moment
