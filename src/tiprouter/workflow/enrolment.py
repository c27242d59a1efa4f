"""How does an agency become a recipient, and how does its entry change?

1. A recipient's endpoint, unless it only pulls, is checked before it is stored; its signing key is made here and
   sealed. What the agency needs to verify with is in the answer, once (an ed25519 public key may be shown again, a
   shared secret never).
2. A change carries the revision it was made against: two people cannot overwrite each other unseen. What waits for the
   recipient is decided again before it is sent, because its revision is part of what a delivery rests on.
3. A new or changed recipient may be the one a duty waits for: every open record is decided again (`workflow/revisit`).
"""

from dataclasses import dataclass, replace

from tiprouter.audit.entry import Kind
from tiprouter.delivery.addresses import ForbiddenAddressError, check_url
from tiprouter.delivery.jws import usable
from tiprouter.delivery.signing import Ed25519Secret, SigningSecret, generate_ed25519, generate_hmac, parse_secret
from tiprouter.domain.recipient import DeliveryMode, Recipient, SignatureScheme
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.storage import records, registry
from tiprouter.storage.database import Transaction
from tiprouter.storage.registry import SigningKey
from tiprouter.workflow.happening import Actor, Desk, Happening, happening

SECRET_BYTES = 32
_NO_ENDPOINT = "This delivery mode needs an endpoint."


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A recipient, and the key to verify its disclosures with: `whpk_...`, or `whsec_...` to be kept secret."""

    recipient: Recipient
    key_id: str
    verification_key: str


def register(tx: Transaction, desk: Desk, actor: Actor, wanted: Recipient) -> Enrolled:
    """Register a recipient (`wanted`'s id and revision are set here); rule 1. Raises `InvalidError`."""
    with happening(tx, desk, actor) as it:
        _refuse_endpoint(it, wanted)
        records.look_again_at_open(tx, it.now)
        recipient = replace(wanted, id=it.id("rcp"), revision=1)
        registry.put(tx, recipient, it.now)
        secret = _make_secret(desk, recipient.scheme)
        key = SigningKey(it.id("key"), recipient.id, recipient.scheme, secret.reveal())
        registry.add_key(tx, desk.vault, key, it.now)
        _log(it, Kind.RECIPIENT_REGISTERED, recipient)
        it.log(Kind.KEY_CREATED, {"key": key.id, "algorithm": key.scheme.value, "purpose": "webhook"})
        return Enrolled(recipient, key.id, shown(secret))


def change(tx: Transaction, desk: Desk, actor: Actor, wanted: Recipient, expected: int) -> Recipient:
    """Store what a recipient is from now on (rule 2). Raises `NotFoundError`, `ConflictError`, `InvalidError`."""
    with happening(tx, desk, actor) as it:
        # Records before the recipient, as a claim holds them, so that the two never wait for each other in a circle.
        records.look_again_at_open(tx, it.now)
        old = registry.load(tx, wanted.id, lock=True)
        if old is None:
            raise NotFoundError
        if old.revision != expected:
            raise ConflictError
        if wanted.scheme is not old.scheme:
            raise InvalidError("A signature scheme is chosen once, at registration.", "/signature_scheme")
        _refuse_endpoint(it, wanted)
        recipient = replace(wanted, revision=old.revision + 1)
        registry.put(tx, recipient, it.now)
        _log(it, Kind.RECIPIENT_CHANGED, recipient)
        return recipient


def public_key(tx: Transaction, desk: Desk, recipient_id: str) -> str | None:
    """The recipient's `whpk_...`; None when it verifies with a shared secret, which is not shown twice."""
    for key in registry.keys_of(tx, desk.vault, recipient_id):
        secret = parse_secret(key.secret)
        if isinstance(secret, Ed25519Secret):
            return secret.public()
    return None


def shown(secret: SigningSecret) -> str:
    """What the recipient verifies with."""
    return secret.public() if isinstance(secret, Ed25519Secret) else secret.reveal()


def _make_secret(desk: Desk, scheme: SignatureScheme) -> SigningSecret:
    random = desk.entropy(SECRET_BYTES)
    return generate_ed25519(random) if scheme is SignatureScheme.ED25519 else generate_hmac(random)


def _refuse_endpoint(it: Happening, wanted: Recipient) -> None:
    if wanted.acknowledgement_key is not None and not usable(wanted.acknowledgement_key):
        raise InvalidError("This is not a public key of a kind that can be used here.", "/acknowledgement_key")
    if not wanted.has_its_endpoint:
        only_pulls = wanted.delivery_mode is DeliveryMode.PULL
        raise InvalidError("An agency that only pulls has no endpoint." if only_pulls else _NO_ENDPOINT, "/url")
    if wanted.url is None:
        return
    try:
        check_url(wanted.url, sandbox=it.desk.sandbox)
    except ForbiddenAddressError as error:
        raise InvalidError("Disclosures cannot be sent to this address.", "/url") from error


def _log(it: Happening, kind: Kind, recipient: Recipient) -> None:
    it.log(
        kind,
        {
            "recipient": recipient.id,
            "kind": recipient.kind.value,
            "jurisdictions": list(recipient.jurisdictions),
            "change": recipient.status.value,
            "delivery_mode": recipient.delivery_mode.value,
            "key": None if recipient.acknowledgement_key is None else recipient.acknowledgement_key.thumbprint,
        },
    )
