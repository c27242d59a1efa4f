"""When a person speaks again about consent, does it count at once?

1. The first grant of a person counts at once. Every later one that adds anything to their last word waits until the
   person has said it again, at another moment: whoever made them say it once must be there twice (`confirmed`).
2. A grant adds nothing when the person's last word is a grant that stands and holds all of it: recipients, kinds,
   purposes, categories, places, start, end, and who gave it: the same guardian by the same person's word.
3. Narrowing is immediate: a refusal, a withdrawal, a narrower scope or an earlier end. With it every grant that waits
   lapses; a yes that was said before a no does not become one after it.
4. Taking back a grant that waits takes back what it would have added, and nothing that stands.
5. A grant that nobody confirms within `CONFIRM_WITHIN`, or before its own end, lapses by itself.
6. Nothing is overwritten: each change is a new revision of the consent, with what it was about before.

Not promised: that two moments are enough for somebody who is never alone. That is the advocate's to judge.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from tiprouter.domain.consent import Choice, Consent, Narrowing, Scope, narrowed_at, spoken_at
from tiprouter.domain.subject_states import ConsentEvent, ConsentPhase, next_consent_phase
from tiprouter.errors import ConflictError, TiprouterError

CONFIRM_WITHIN: Final = timedelta(days=14)

_STANDS = (ConsentPhase.STANDING, ConsentPhase.NARROWED)


class TooEarlyError(ConflictError):
    """This grant cannot be confirmed yet: the person says it again at another moment, from `confirm_from` on."""


class NotNarrowerError(TiprouterError):
    """Narrowing takes away and adds nothing; to end all of it, withdraw."""


def phase_at(consent: Consent, now: datetime) -> ConsentPhase:
    """Where a consent is in its life now, time included (rule 5)."""
    ended = consent.choice is Choice.GRANT and consent.expires_at is not None and now >= consent.expires_at
    if consent.life is ConsentPhase.PENDING:
        ended = ended or now >= (consent.recorded_at or consent.given_at) + CONFIRM_WITHIN
    if ended and consent.life in (*_STANDS, ConsentPhase.PENDING):
        return next_consent_phase(consent.life, ConsentEvent.EXPIRE)
    return consent.life


def received(known: Iterable[Consent], new: Consent, now: datetime, apart: timedelta = timedelta()) -> Consent:
    """A grant or refusal as it is stored when it arrives: standing, or pending for at least `apart` (rules 1, 2)."""
    before = list(known)
    waits = new.choice is Choice.GRANT and bool(before) and not _repeats(before, new, now)
    event = ConsentEvent.WAIT if waits else ConsentEvent.STAND
    phase = next_consent_phase(ConsentPhase.GIVEN, event)
    return replace(new, recorded_at=now, confirm_from=now + apart if waits else None, phase=phase)


def confirmed(consent: Consent, now: datetime) -> Consent:
    """A grant that the person has said again (rule 1).

    Raises `IllegalTransitionError` when it does not wait (any more), `TooEarlyError` before `confirm_from`.
    """
    phase = next_consent_phase(phase_at(consent, now), ConsentEvent.CONFIRM)
    if consent.confirm_from is not None and now < consent.confirm_from:
        raise TooEarlyError
    return replace(consent, confirmed_at=now, phase=phase)


def withdrawn(consent: Consent, now: datetime) -> Consent:
    """A grant that the person took back (rules 3, 4). Raises `IllegalTransitionError`."""
    return replace(consent, withdrawn_at=now, phase=next_consent_phase(consent.life, ConsentEvent.WITHDRAW))


def lapsed(consent: Consent) -> Consent:
    """A grant that waited when the person narrowed something (rule 3)."""
    return replace(consent, phase=next_consent_phase(consent.life, ConsentEvent.LAPSE))


def narrowed(consent: Consent, scope: Scope, now: datetime) -> Consent:
    """A grant about less (rules 3, 6). Raises `NotNarrowerError`, `IllegalTransitionError`."""
    old = consent.scope
    empty = not (scope.recipients or scope.kinds) or not scope.purposes or not scope.categories
    if consent.choice is Choice.REFUSE or empty or scope == old or not _inside(scope, old):
        raise NotNarrowerError
    phase = next_consent_phase(phase_at(consent, now), ConsentEvent.NARROW)
    # What only waited was never granted, so that nothing is taken away from what stands.
    kept = () if phase is ConsentPhase.PENDING else (Narrowing(now, old),)
    return replace(
        consent,
        recipients=scope.recipients,
        kinds=scope.kinds,
        purposes=scope.purposes,
        categories=scope.categories,
        jurisdictions=scope.jurisdictions,
        expires_at=scope.expires_at,
        narrowed=consent.narrowed + kept,
        phase=phase,
    )


def _repeats(known: list[Consent], new: Consent, now: datetime) -> bool:
    """Rule 2."""
    stood = [consent for consent in known if consent.stood]
    last = max(stood, key=_last_said, default=None)
    return (
        last is not None
        and last.choice is Choice.GRANT
        and phase_at(last, now) is ConsentPhase.STANDING
        and _inside(new.scope, last.scope)
        and not last.untold
        and last.vouched
        and last.valid_from <= new.valid_from
        and _by(last) == _by(new)
    )


def _by(consent: Consent) -> tuple[object, ...]:
    """Who gave it. That the same word was given again later adds nothing to it."""
    guardian = None if consent.guardian is None else replace(consent.guardian, attested_at=None)
    return consent.grantor, consent.guardian_implicated, guardian


def _last_said(consent: Consent) -> tuple[datetime, bool, str]:
    """When the person last said anything by this consent; of two things said at once the narrowing one is the last."""
    if consent.choice is Choice.REFUSE:
        return narrowed_at(consent), True, consent.id
    taken = [past.at for past in consent.narrowed] + ([consent.withdrawn_at] if consent.withdrawn_at else [])
    return max(taken, default=spoken_at(consent)), bool(taken), consent.id


def _inside(scope: Scope, other: Scope) -> bool:
    """Whether a scope holds nothing that the other does not."""
    places = not other.jurisdictions or (scope.jurisdictions and set(scope.jurisdictions) <= set(other.jurisdictions))
    ends = other.expires_at is None or (scope.expires_at is not None and scope.expires_at <= other.expires_at)
    return (
        set(scope.recipients) <= set(other.recipients)
        and set(scope.kinds) <= set(other.kinds)
        and set(scope.purposes) <= set(other.purposes)
        and set(scope.categories) <= set(other.categories)
        and bool(places)
        and ends
    )
