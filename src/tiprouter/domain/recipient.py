"""Which agency is this, whom does it serve, and may anything be sent to it now?

1. Jurisdictions are ISO 3166-2 codes (`US-TX`), tribal land codes (`US-TRIBAL-...`), or `US`: the whole country.
2. An agency limited to counties serves a place in its state only when the county is one of them; when the record
   does not name a county the answer is unknown, not no.
3. It is usable while it is active; a sharing agreement is in force until its own date.
4. It may name keys to encrypt to, authorities to believe, and a certificate of ours that it wants to be shown.
5. Its delivery mode says what its webhook carries: everything (push), ids alone (thin), or that there is none (pull).
   An agency that only pulls has no endpoint, every other one has.
6. It may say what it can take: so many attempts a second (`domain/pace.py`), so many at once (`workflow/choosing.py`).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

from tiprouter.domain.proof import PublicKey
from tiprouter.domain.record import Jurisdiction
from tiprouter.domain.vocabulary import Answer, RecipientKind

NATIONWIDE = "US"


@unique
class RecipientStatus(StrEnum):
    """Whether a recipient may be sent anything at all."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


@unique
class SignatureScheme(StrEnum):
    """Standard Webhooks signature schemes: `v1a` is ed25519, `v1` is HMAC-SHA256."""

    ED25519 = "v1a"
    HMAC = "v1"


@unique
class DeliveryMode(StrEnum):
    """What an agency's webhook carries. Its inbox is open to it in every mode."""

    PUSH = "push"  # the payload
    THIN = "thin"  # ids only; the agency pulls the payload
    PULL = "pull"  # there is no webhook


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """A public key to encrypt to: its id, its JWK in canonical form, and the time in which it is used."""

    id: str
    jwk: str
    not_before: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recipient:
    """A registered agency.

    `revision` counts its changes; `agreement_until` None means no agreement; `url` is None in mode pull, and only then.
    `acknowledgement_key` is what the agency may sign its acknowledgements with. `authorities` and `certificate` are PEM
    texts (rule 4); the certificate's private key stands sealed elsewhere (`storage/client_keys.py`). A limit that is
    None is the house's (rule 6).
    """

    id: str
    name: str
    kind: RecipientKind
    jurisdictions: tuple[str, ...]
    counties: tuple[str, ...]
    url: str | None
    scheme: SignatureScheme
    status: RecipientStatus
    agreement_until: datetime | None
    revision: int
    delivery_mode: DeliveryMode = DeliveryMode.PUSH
    acknowledgement_key: PublicKey | None = None
    encryption_keys: tuple[EncryptionKey, ...] = ()
    authorities: str = ""
    certificate: str = ""
    max_per_second: int | None = None
    max_at_once: int | None = None

    @property
    def has_its_endpoint(self) -> bool:
        """Whether there is an endpoint exactly where the delivery mode needs one (rule 5)."""
        return (self.url is None) is (self.delivery_mode is DeliveryMode.PULL)

    def serves(self, place: Jurisdiction) -> Answer:
        """Whether the agency serves this place (rules 1 and 2)."""
        if NATIONWIDE in self.jurisdictions:
            return Answer.YES
        if place.code not in self.jurisdictions:
            return Answer.NO
        if not self.counties or place.county in self.counties:
            return Answer.YES
        return Answer.UNKNOWN if place.county is None else Answer.NO

    def agreed(self, now: datetime) -> bool:
        """Whether a sharing agreement is in force."""
        return self.agreement_until is not None and now < self.agreement_until
