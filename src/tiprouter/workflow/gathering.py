"""What must be known of deliveries that are to leave together, and how is it read once for all of them?

1. Each table is read once, however many deliveries there are. Records and then recipients are held until the story
   commits, as everywhere: what was read of them stays so.
2. Whether an endpoint may be sent to is read after its recipient is held: nobody changes it meanwhile.
3. What is sealed is opened when it is asked for, so that what cannot be opened holds back its own delivery alone; a
   recipient's keys are opened once.

Not promised: that it holds in another story. Nothing that was opened outlives this one, but for signing secrets, which
the signer keeps by their text (`delivery/signing.py`, rule 8); which of them sign is asked each time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tiprouter.delivery.signing import SigningSecret
from tiprouter.domain.endpoint_states import SENDS
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.redaction import Redacted, reopen
from tiprouter.storage import disclosures, endpoints, records, registry
from tiprouter.storage.deliveries import Delivery
from tiprouter.storage.disclosures import SealedPayload
from tiprouter.storage.registry import SealedKeys
from tiprouter.storage.vault import Keyring
from tiprouter.workflow.happening import Happening
from tiprouter.workflow.leaving import rests_on
from tiprouter.workflow.wrapping import secrets_among


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is known of some deliveries."""

    it: Happening
    epochs: Mapping[str, int]
    revisions: Mapping[str, int]
    sends: set[str]
    details: Mapping[str, object]
    payloads: Mapping[str, SealedPayload]
    keyring: Keyring
    keys: SealedKeys
    _recipients: dict[str, Recipient] = field(default_factory=dict)
    _secrets: dict[str, list[SigningSecret]] = field(default_factory=dict)

    def rests_on_today(self, delivery: Delivery) -> bool:
        """Whether nothing has changed since it was decided, as `leaving.rests_on_today`."""
        epoch, revision = self.epochs.get(delivery.record_id), self.revisions.get(delivery.recipient_id)
        return epoch is not None and revision is not None and rests_on(self.it, delivery, epoch, revision)

    def recipient(self, delivery: Delivery) -> Recipient | None:
        """Its recipient, unless nothing may be sent there."""
        name = delivery.recipient_id
        if name not in self.sends or name not in self.details:
            return None
        if name not in self._recipients:
            self._recipients[name] = registry.parse(self.details[name])
        return self._recipients[name]

    def payload(self, delivery: Delivery) -> Redacted:
        """The payload as redaction made it. Raises `SealError`, `RedactionError`."""
        sealed = self.payloads[delivery.disclosure_id]
        return reopen(sealed.open(self.keyring), sealed.digest)

    def secrets(self, recipient_id: str) -> list[SigningSecret]:
        """The recipient's live signing keys. Raises `SealError`, and `SigningError` when there is none."""
        if recipient_id not in self._secrets:
            self._secrets[recipient_id] = secrets_among(self.it, self.keys.of(recipient_id))
        return self._secrets[recipient_id]


def gather(it: Happening, leaving: Sequence[Delivery]) -> Gathered:
    """Read what these deliveries need (rules 1, 2)."""
    record_ids = sorted({one.record_id for one in leaving})
    recipient_ids = sorted({one.recipient_id for one in leaving})
    epochs, revisions = records.epochs(it.tx, record_ids), registry.revisions(it.tx, recipient_ids)
    return Gathered(
        it,
        epochs,
        revisions,
        sends=endpoints.among(it.tx, recipient_ids, SENDS),
        details=registry.details(it.tx, recipient_ids),
        payloads=disclosures.sealed_payloads(it.tx, [one.disclosure_id for one in leaving]),
        keyring=it.vault.keys(it.tx, record_ids),
        keys=registry.sealed_keys(it.tx, it.vault, recipient_ids, it.now),
    )
