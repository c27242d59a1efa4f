"""In what does a message to an agency leave: for whose eyes, and over whose trust?

1. An agency that registered encryption keys gets a JWE by webhook and from its inbox alike, announcements too. Where no
   key of it is valid nothing leaves (`EncryptionError`); there is no way back to plain text.
2. An agency that named authorities, or wants a certificate of ours, is dialled with these and no others. A certificate
   whose private key is not there makes nothing leave (`SealError`).
3. What its acknowledgement is signed over is what redaction made, the same for every attempt, encrypted or not.
"""

from collections.abc import Sequence

from tiprouter.delivery.encryption import Encrypted, RecipientKey, encrypt, newest
from tiprouter.delivery.signing import LiveKey, SigningSecret, parse_secret, signing_at
from tiprouter.delivery.trust import Trust
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.redaction import Redacted
from tiprouter.storage import client_keys, registry
from tiprouter.storage.registry import SigningKey
from tiprouter.workflow.happening import Happening


def wrapped(it: Happening, recipient: Recipient, body: Redacted, webhook_id: str) -> Redacted | Encrypted:
    """The body as it leaves (rule 1). Raises `EncryptionError`."""
    if not recipient.encryption_keys:
        return body
    keys = [RecipientKey(one.id, one.jwk, one.not_before, one.until) for one in recipient.encryption_keys]
    return encrypt(body, newest(keys, it.now), recipient_id=recipient.id, webhook_id=webhook_id)


def trust_of(it: Happening, recipient: Recipient) -> Trust | None:
    """What the recipient is dialled with, None for what every other is (rule 2). Raises `SealError`."""
    if not recipient.authorities and not recipient.certificate:
        return None
    key = client_keys.read(it.tx, it.vault, recipient.id, recipient.certificate) if recipient.certificate else ""
    return Trust(recipient.authorities, recipient.certificate, key)


def live_keys(it: Happening, recipient_id: str) -> list[LiveKey]:
    """The recipient's signing keys that have not ended."""
    return _opened(registry.keys_of(it.tx, it.vault, recipient_id, it.now))


def secrets_of(it: Happening, recipient_id: str) -> list[SigningSecret]:
    """The recipient's live signing keys, the newest first. Raises `SigningError` when there is none."""
    return signing_at(live_keys(it, recipient_id), it.now)


def secrets_among(it: Happening, keys: Sequence[SigningKey]) -> list[SigningSecret]:
    """The same among keys of one recipient that were read already."""
    return signing_at(_opened(keys), it.now)


def _opened(keys: Sequence[SigningKey]) -> list[LiveKey]:
    return [LiveKey(parse_secret(key.secret), key.begins_at, key.ends_at) for key in keys]
