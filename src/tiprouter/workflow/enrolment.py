"""How does an agency become a recipient, and how does its entry change?

1. A recipient's endpoint, unless it only pulls, is checked before it is stored, and so are its keys and certificates;
   its signing key is made here and sealed. What the agency needs to verify with is in the answer, once (an ed25519
   public key may be shown again, a shared secret never).
2. A change carries the revision it was made against: two people cannot overwrite each other unseen. What waits for the
   recipient is decided again before it is sent, because its revision is part of what a delivery rests on.
3. A new or changed recipient may be the one that a duty or a consent waits for: what it may touch is decided again
   (`workflow/revisit`), and decisions in the making are waited for.
4. Where disclosures go, how, and by which keys takes a second person (`workflow/endpoint_changes.py`); here one person
   changes the rest, suspends, and takes a webhook away.
5. No disclosure is sent to an endpoint before it proved itself (`workflow/proving.py`).
6. A new recipient stays suspended, so that nothing is decided toward it, until another operator confirms it as the
   endpoint's changes are confirmed (`workflow/endpoint_changes.py`); nobody makes it active before by a change here.
   Where there never was another operator one enrols alone (`workflow/separation.py`, rule 5).
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.delivery.addresses import ForbiddenAddressError, check_url
from tiprouter.delivery.encryption import EncryptionError, parse_key
from tiprouter.delivery.jws import usable
from tiprouter.delivery.signing import Ed25519Secret, SigningSecret, generate_ed25519, generate_hmac, parse_secret
from tiprouter.delivery.trust import TrustError, parse_trust
from tiprouter.domain.endpoint import CONFIRM_WITHIN, guarded
from tiprouter.domain.endpoint_states import ChangeState
from tiprouter.domain.recipient import DeliveryMode, EncryptionKey, Recipient, RecipientStatus, SignatureScheme
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.storage import bundles, client_keys, endpoint_changes, registry
from tiprouter.storage.database import Transaction
from tiprouter.storage.endpoint_changes import Change
from tiprouter.storage.registry import SigningKey
from tiprouter.workflow.happening import Actor, Desk, Happening, happening, moment
from tiprouter.workflow.proving import changed, opened
from tiprouter.workflow.revisit import agency_changed
from tiprouter.workflow.separation import Word, word
from tiprouter.workflow.standing import require_fresh

SECRET_BYTES = 32
KEYS_MAX = 8
PROPOSED: Final = "endpoint.change-proposed"
ENROLMENT: Final = "status"
"""What differs in the change by which a new recipient is confirmed: from suspended to as it was wanted."""
_NO_ENDPOINT = "This delivery mode needs an endpoint."


class SecondPersonError(InvalidError):
    """This changes where disclosures go, or by which keys: propose it, and another credential confirms."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A recipient, and the key to verify its disclosures with: `whpk_...`, or `whsec_...` to be kept secret.

    `waiting` is the id of the change that another operator confirms before anything is decided toward it (rule 6).
    """

    recipient: Recipient
    key_id: str
    verification_key: str
    waiting: str | None = None


def register(tx: Transaction, desk: Desk, actor: Actor, wanted: Recipient, private_key: str = "") -> Enrolled:
    """Register a recipient (`wanted`'s id and revision are set here); rules 1, 5 and 6.

    `private_key` is that of its `certificate`. Raises `InvalidError`, `StepUpNeededError`.
    """
    with happening(tx, desk, actor) as it:
        require_fresh(actor, it.now)
        check_entry(it, wanted, private_key)
        bundles.hold(tx)
        named = replace(wanted, id=it.id("rcp"), revision=1)
        second = word(it)
        recipient = replace(named, status=RecipientStatus.SUSPENDED) if second.waits else named
        registry.put(tx, recipient, it.now, it.id("mrk"))
        secret = make_secret(desk, recipient.scheme)
        key = SigningKey(it.id("key"), recipient.id, recipient.scheme, secret.reveal(), it.now)
        registry.add_key(tx, desk.vault, key)
        keep_key(it, recipient, private_key)
        log_entry(it, Kind.RECIPIENT_REGISTERED, recipient, second)
        it.log(Kind.KEY_CREATED, {"key": key.id, "algorithm": key.scheme.value, "purpose": "webhook"})
        opened(it, recipient)
        agency_changed(it, None, recipient, Kind.RECIPIENT_REGISTERED.value)
        waiting = wait(it, recipient, named, (ENROLMENT,)).id if second.waits else None
        return Enrolled(recipient, key.id, shown(secret), waiting)


def wait(it: Happening, old: Recipient, wanted: Recipient, names: tuple[str, ...]) -> Change:
    """Propose that a recipient be as wanted: another operator confirms it within a week, a human is told."""
    until = it.now + CONFIRM_WITHIN
    change = Change(it.id("chg"), old.id, old.revision, ChangeState.PROPOSED, wanted, names, it.actor.id, it.now, until)
    endpoint_changes.add(it.tx, change)
    said = {"change": change.id, "recipient": old.id, "revision": old.revision, "state": change.state.value}
    it.log(Kind.ENDPOINT_CHANGE, said | {"changes": list(names), "until": moment(until)})
    it.tell(PROPOSED, old.id, None, until, again_after=timedelta())
    return change


def unconfirmed(tx: Transaction, recipient_id: str) -> bool:
    """Whether a recipient was enrolled by one person's word, and no other's has followed yet (rule 6)."""
    ends = endpoint_changes.ends_of(tx, recipient_id, ENROLMENT)
    return bool(ends) and ChangeState.CONFIRMED not in ends


def change(tx: Transaction, desk: Desk, actor: Actor, wanted: Recipient, expected: int) -> Recipient:
    """Store what a recipient is from now on (rules 2 and 4); its encryption keys and certificates stay.

    Raises `NotFoundError`, `ConflictError`, `InvalidError`, `SecondPersonError`.
    """
    with happening(tx, desk, actor) as it:
        # Before the recipient, as a claim holds them, so that the two never wait for each other in a circle; and who
        # decides meanwhile decides on what is so afterwards.
        bundles.hold(tx)
        old = registry.load(tx, wanted.id, lock=True)
        if old is None:
            raise NotFoundError
        if old.revision != expected:
            raise ConflictError
        if wanted.scheme is not old.scheme:
            raise InvalidError("A signature scheme is chosen once, at registration.", "/signature_scheme")
        _refuse_endpoint(it, wanted)
        if wanted.status is not RecipientStatus.SUSPENDED and unconfirmed(tx, wanted.id):
            raise SecondPersonError(None, f"/{ENROLMENT}")
        recipient = replace(
            wanted,
            revision=old.revision + 1,
            encryption_keys=old.encryption_keys,
            authorities=old.authorities,
            certificate=old.certificate,
        )
        names = guarded(old, recipient)
        if names:
            raise SecondPersonError(None, f"/{names[0]}")
        registry.put(tx, recipient, it.now, it.id("mrk"))
        changed(it, old, recipient)
        agency_changed(it, old, recipient, Kind.RECIPIENT_CHANGED.value)
        log_entry(it, Kind.RECIPIENT_CHANGED, recipient)
        return recipient


def public_key(tx: Transaction, desk: Desk, recipient_id: str) -> str | None:
    """The recipient's newest `whpk_...`; None when it verifies with a shared secret, which is not shown twice."""
    live = registry.keys_of(tx, desk.vault, recipient_id, desk.now())
    for key in sorted(live, key=lambda one: one.ends_at is not None):  # what ends is not the newest
        secret = parse_secret(key.secret)
        if isinstance(secret, Ed25519Secret):
            return secret.public()
    return None


def shown(secret: SigningSecret) -> str:
    """What the recipient verifies with."""
    return secret.public() if isinstance(secret, Ed25519Secret) else secret.reveal()


def make_secret(desk: Desk, scheme: SignatureScheme) -> SigningSecret:
    """A new signing secret of a scheme."""
    random = desk.entropy(SECRET_BYTES)
    return generate_ed25519(random) if scheme is SignatureScheme.ED25519 else generate_hmac(random)


def check_entry(it: Happening, wanted: Recipient, private_key: str) -> None:
    """Whether an entry could be used as it is (rule 1). Raises `InvalidError`."""
    _refuse_endpoint(it, wanted)
    if len(wanted.encryption_keys) > KEYS_MAX:
        raise InvalidError(f"An agency has at most {KEYS_MAX} encryption keys.", "/encryption_keys")
    for key in wanted.encryption_keys:
        _refuse_key(key)
    try:
        parse_trust(wanted.authorities, wanted.certificate, private_key, it.now)
    except TrustError as error:
        raise InvalidError(str(error), "/certificate" if wanted.certificate else "/authorities") from None


def keep_key(it: Happening, recipient: Recipient, private_key: str) -> None:
    """Seal the private key of its certificate, if it has one."""
    if recipient.certificate:
        client_keys.put(it.tx, it.vault, recipient.id, (recipient.certificate, private_key), it.now)


def log_entry(it: Happening, kind: Kind, recipient: Recipient, second: Word | None = None) -> None:
    """Log that an entry is as it is now; a new one with whose word it waits for."""
    it.log(
        kind,
        {
            "recipient": recipient.id,
            "kind": recipient.kind.value,
            "jurisdictions": list(recipient.jurisdictions),
            "change": recipient.status.value,
            "delivery_mode": recipient.delivery_mode.value,
            "key": None if recipient.acknowledgement_key is None else recipient.acknowledgement_key.thumbprint,
            **({} if second is None else second.said),
        },
    )


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


def _refuse_key(key: EncryptionKey) -> None:
    try:
        parse_key(key.jwk, key.not_before, key.until)
    except EncryptionError as error:
        raise InvalidError(str(error), "/encryption_keys") from None
