"""What do one person's consents say about telling one recipient one category of data?

1. A grant needs an informed checklist and an end: no expiry means void (decision rule 8).
2. A grant counts only inside its scope: recipient named or kind named, purpose, category. Consent to a service
   provider is not consent to police: a kind that is not named is out of scope.
3. A refusal or a withdrawal that covers the question wins over any grant given before it.
4. A guardian who is implicated, or whose implication is unknown, makes a guardian's grant void.
5. A minor's grant needs the minor and a guardian (`both`), unless the jurisdiction lets the minor alone.
   An adult's grant comes from the adult: a guardian alone cannot give it.
6. No consent at all is `not_asked`; consents that all miss the question are `out_of_scope`.

Not promised: that a grant was freely given. That is the advocate's to judge, and why narrowing is immediate.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

from tiprouter.domain.recipient import Recipient
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
class Consent:
    """One grant or refusal. Empty scopes of a refusal mean everything; a grant's scopes are never empty."""

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

    def covers(self, recipient: Recipient, category: Category) -> bool:
        """Whether the question is inside this consent's scope (rule 2)."""
        everyone = self.choice is Choice.REFUSE and not (self.recipients or self.kinds)
        whom = everyone or recipient.id in self.recipients or recipient.kind in self.kinds
        purpose = PURPOSE_OF[recipient.kind]
        what = category in self.categories or (self.choice is Choice.REFUSE and not self.categories)
        why = purpose in self.purposes or (self.choice is Choice.REFUSE and not self.purposes)
        return whom and what and why


@dataclass(frozen=True, slots=True)
class Question:
    """Whom a consent is asked about: the person's age band and whether a minor may consent alone here."""

    recipient: Recipient
    age: AgeBand
    minor_alone: bool


def state_of(consents: Iterable[Consent], question: Question, category: Category, now: datetime) -> ConsentState:
    """The state for one category, by the last consent that covers it (rules 1-6)."""
    known = sorted(consents, key=_spoken)
    if not known:
        return ConsentState.NOT_ASKED
    covering = [consent for consent in known if consent.covers(question.recipient, category)]
    if not covering:
        return ConsentState.OUT_OF_SCOPE
    return _standing(covering[-1], question, now)


def _spoken(consent: Consent) -> tuple[datetime, bool, str]:
    """When the person last said something by this consent; of two things said at once the narrowing one is the last."""
    narrowing = consent.choice is Choice.REFUSE or consent.withdrawn_at is not None
    return consent.withdrawn_at or consent.given_at, narrowing, consent.id


def _standing(consent: Consent, question: Question, now: datetime) -> ConsentState:
    if consent.withdrawn_at is not None:
        return ConsentState.WITHDRAWN
    if consent.choice is Choice.REFUSE:
        return ConsentState.REFUSED
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
            if moment is not None and moment > now:
                yield moment
