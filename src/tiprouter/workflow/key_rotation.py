"""How does an agency get another key to verify its disclosures with?

1. The new key signs from now on. The old ones sign beside it for the overlap, nought to seven days, and then end: an
   agency that registers the new key in that time notices nothing.
2. Each key that is live signs every message; what was sealed of an ended one is not used again.
3. What the agency verifies with is in the answer, once for a shared secret.
4. It takes another person's word (`workflow/second_words.py`), who is not shown the key: it is the maker's to pass on.
   After a leak too: until the agency has the new key and forgot the old one, nothing is gained by a minute.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tiprouter.audit.kinds import Kind
from tiprouter.delivery.signing import LiveKey, SigningError, parse_secret, rotate
from tiprouter.domain.second_word_states import ByTwo
from tiprouter.errors import InvalidError, NotFoundError
from tiprouter.storage import registry
from tiprouter.storage.database import Transaction
from tiprouter.storage.registry import SigningKey
from tiprouter.workflow.enrolment import make_secret, shown
from tiprouter.workflow.happening import Actor, Desk, happening, moment
from tiprouter.workflow.second_words import require_word
from tiprouter.workflow.standing import require_fresh


@dataclass(frozen=True, slots=True)
class Rotated:
    """The new key, what to verify with, and when the old ones end."""

    key_id: str
    verification_key: str = field(repr=False)
    old_end_at: datetime


def rotate_key(tx: Transaction, desk: Desk, actor: Actor, recipient_id: str, overlap: timedelta) -> Rotated:
    """Make another signing key (rules 1, 3 and 4).

    Raises `NotFoundError`, `InvalidError`, `StepUpNeededError`, `SecondWordNeededError`.
    """
    with happening(tx, desk, actor) as it:
        require_fresh(actor, it.now)
        recipient = registry.load(tx, recipient_id, lock=True)
        if recipient is None:
            raise NotFoundError
        word = require_word(it, ByTwo.KEY, recipient_id)
        secret = make_secret(desk, recipient.scheme)
        old = registry.keys_of(tx, desk.vault, recipient_id, it.now)
        live = [LiveKey(parse_secret(key.secret), key.begins_at, key.ends_at) for key in old]
        try:
            kept = rotate(live, secret, it.now, overlap)
        except SigningError as error:
            raise InvalidError(str(error), "/overlap_days") from None
        key = SigningKey(it.id("key"), recipient_id, recipient.scheme, secret.reveal(), it.now)
        ends = {one.secret.reveal(): one.ends_at for one in kept[1:]}
        for one in old:
            until = ends.get(one.secret) or it.now
            registry.retire_key(tx, one.id, until)
            said = {"key": one.id, "purpose": "webhook", "recipient": recipient_id}
            it.log(Kind.KEY_REVOKED, said | {"until": moment(until)})
        registry.add_key(tx, desk.vault, key)
        said = {"key": key.id, "purpose": "webhook", "recipient": recipient_id}
        it.log(Kind.KEY_CREATED, said | {"algorithm": key.scheme.value} | word)
        return Rotated(key.id, shown(secret), it.now + overlap)
