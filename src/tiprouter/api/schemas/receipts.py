"""How is a consent receipt spelt?

In the shape of ISO/IEC TS 27560:2023 (consent record information structure), with its names for what they name. It is
not claimed to be a complete implementation: fields that this service has no value for are left out.
"""

from datetime import datetime
from typing import Final, Self

from tiprouter.api.schemas.words import Message, Moment
from tiprouter.domain.consent import Choice, Consent, InformedItem
from tiprouter.domain.subject_states import ConsentPhase
from tiprouter.domain.vocabulary import PURPOSE_OF, Category, ConsentMethod, Purpose, RecipientKind
from tiprouter.workflow.receipts import Event, Occasion, Receipt

SCHEMA_VERSION: Final = "ISO/IEC TS 27560:2023"
PRINCIPAL: Final = "pii_principal"
PRIVACY_NOTICE: Final = "The hotline recorded that all of informed_of was told before the choice was made."
TOLD_IN_PART: Final = "The hotline recorded that only informed_of was told before the choice was made."
NOT_TOLD: Final = "None was recorded."
WITHDRAWAL_METHOD: Final = (
    "Tell any advocate of the hotline, by any channel, at any time. It counts at once; agencies that were told before "
    "are asked to stop using what they have."
)
RIGHTS: Final = (
    "withdraw at any time, without a reason",
    "narrow at any time",
    "an accounting of what was disclosed to whom",
    "erasure",
)


class PiiInformation(Message):
    """One category of data."""

    pii_type: Category


class ThirdParty(Message):
    """A recipient, or every recipient of a kind."""

    party_id: str | None
    party_type: RecipientKind | None


class PurposeOf(Message):
    """What is consented to for one purpose."""

    purpose: Purpose
    lawful_basis: str
    pii_information: tuple[PiiInformation, ...]
    recipient_third_parties: tuple[ThirdParty, ...]
    collection_method: ConsentMethod
    geographic_restrictions: tuple[str, ...]
    valid_from: Moment
    valid_until: Moment | None
    withdrawal_method: str
    privacy_rights: tuple[str, ...]


class ConsentEvent(Message):
    """Something that happened to the consent."""

    event_time: Moment
    event_type: Occasion
    event_state: ConsentPhase
    entity_id: str
    valid_until: Moment | None


class ConsentRecord(Message):
    """The consent as it stands. `jurisdiction` is empty when it holds anywhere.

    `informed_of` is what the notice given to the person spoke of, item by item.
    """

    record_id: str
    pii_principal_id: str
    state: ConsentPhase
    privacy_notice: str
    informed_of: tuple[InformedItem, ...]
    language: str | None
    jurisdiction: tuple[str, ...]
    purposes: tuple[PurposeOf, ...]


class ConsentReceipt(Message):
    """A receipt for a consent."""

    schema_version: str
    receipt_id: str
    issued_at: Moment
    consent_record: ConsentRecord
    events: tuple[ConsentEvent, ...]

    @classmethod
    def of(cls, made: Receipt) -> Self:
        """One receipt."""
        consent = made.consent
        purposes = consent.purposes or tuple(Purpose)
        return cls(
            schema_version=SCHEMA_VERSION,
            receipt_id=made.id,
            issued_at=made.issued_at,
            consent_record=ConsentRecord(
                record_id=consent.id,
                pii_principal_id=made.principal,
                state=made.phase,
                privacy_notice=_notice(consent),
                informed_of=consent.checklist,
                language=None if consent.interpreter is None else consent.interpreter.language,
                jurisdiction=consent.jurisdictions,
                purposes=tuple(_purpose(made, purpose) for purpose in purposes),
            ),
            events=tuple(map(_event, made.events)),
        )


def _notice(consent: Consent) -> str:
    if not consent.untold:
        return PRIVACY_NOTICE
    return TOLD_IN_PART if consent.checklist else NOT_TOLD


def _purpose(made: Receipt, purpose: Purpose) -> PurposeOf:
    consent = made.consent
    return PurposeOf(
        purpose=purpose,
        lawful_basis="consent" if consent.choice is Choice.GRANT else "none: refused",
        pii_information=tuple(PiiInformation(pii_type=one) for one in consent.categories or tuple(Category)),
        recipient_third_parties=_third_parties(made, purpose),
        collection_method=consent.method,
        geographic_restrictions=consent.jurisdictions,
        valid_from=consent.valid_from,
        valid_until=_until(consent),
        withdrawal_method=WITHDRAWAL_METHOD,
        privacy_rights=RIGHTS,
    )


def _third_parties(made: Receipt, purpose: Purpose) -> tuple[ThirdParty, ...]:
    consent = made.consent
    kinds = consent.kinds or (() if consent.recipients else tuple(RecipientKind))
    named = [
        ThirdParty(party_id=one, party_type=made.kinds.get(one))
        for one in consent.recipients
        if one not in made.kinds or PURPOSE_OF[made.kinds[one]] is purpose
    ]
    of_kind = [ThirdParty(party_id=None, party_type=kind) for kind in kinds if PURPOSE_OF[kind] is purpose]
    return (*named, *of_kind)


def _until(consent: Consent) -> datetime | None:
    return consent.withdrawn_at or consent.expires_at


def _event(event: Event) -> ConsentEvent:
    return ConsentEvent(
        event_time=event.at,
        event_type=event.occasion,
        event_state=event.phase,
        entity_id=PRINCIPAL,
        valid_until=event.until,
    )
