"""Which endpoint has proved that it is its agency's, and what else has to be looked at in time?

1. A new endpoint, and one that is reached otherwise than before, is unverified: no disclosure is sent there, not even
   an announcement. What is for it waits, the usual warnings go out, and its inbox is open.
2. It is asked at once, and again after `domain/endpoint.py`'s times; `workflow/endpoint_messages.py` hears the answers.
3. One that proved itself goes on getting disclosures while it fails later questions, for fourteen days, and people are
   told at the first silence. A first proof lets go of what waited.
4. Nobody is asked where the operator says so (the setting; the sandbox): every endpoint is then taken as verified.
5. People are told before an agreement, a certificate or the last encryption key ends.

A chore does the asking and telling, in bounded slices.
"""

from datetime import datetime, timedelta
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.delivery.trust import Trust, expires_at
from tiprouter.domain.endpoint import (
    FAILS_FOR,
    PROVES_EVERY,
    MessageForm,
    is_to_be_told,
    next_warning,
    reached_otherwise,
)
from tiprouter.domain.endpoint_states import (
    SENDS,
    ChangeEvent,
    EndpointEvent,
    EndpointState,
    next_change_state,
    next_endpoint_state,
)
from tiprouter.domain.recipient import Recipient
from tiprouter.storage import client_keys, endpoint_changes, endpoints, registry
from tiprouter.storage.database import Transaction
from tiprouter.storage.endpoint_changes import Change
from tiprouter.storage.endpoints import Endpoint, EndpointMessage
from tiprouter.workflow.happening import ROUTER, Desk, Happening, happening

AT_ONCE: Final = 50
AGAIN: Final = timedelta(days=1)


def opened(it: Happening, recipient: Recipient) -> None:
    """A recipient is registered (rules 1, 2, 4)."""
    asks = it.desk.verify_endpoints
    state = EndpointState.UNVERIFIED if asks else EndpointState.VERIFIED
    look_at = next_warning(_ends(recipient), it.now)
    check_at = None if asks else it.now + PROVES_EVERY
    endpoints.open_row(it.tx, Endpoint(recipient.id, state, it.now, None, check_at, it.now, look_at))
    log_standing(it, recipient.id, state, "registered")
    if asks:
        _ask(it, recipient)


def changed(it: Happening, old: Recipient, new: Recipient) -> None:
    """A recipient is another than before (rules 1, 2, 4); its row is held."""
    known = endpoints.load(it.tx, new.id, lock=True)
    if known is None:
        opened(it, new)
        return
    endpoints.change(it.tx, new.id, look_at=next_warning(_ends(new), it.now))
    if not reached_otherwise(old, new):
        return
    asks = it.desk.verify_endpoints
    after = next_endpoint_state(known.state, EndpointEvent.CHANGE)
    state, check_at = (after, None) if asks else (EndpointState.VERIFIED, it.now + PROVES_EVERY)
    endpoints.change(it.tx, new.id, state=state, since=it.now, verified_at=None, check_at=check_at)
    endpoints.take_back_challenges(it.tx, new.id, it.now)
    log_standing(it, new.id, state, "changed")
    if asks:
        _ask(it, new)


def heard(it: Happening, known: Endpoint, *, proved: bool) -> None:
    """An endpoint, whose row is held, answered a challenge rightly, or did not (rule 3)."""
    event = EndpointEvent.PROVE if proved else EndpointEvent.FAIL
    if not proved and known.state is EndpointState.FAILING and it.now >= known.since + FAILS_FOR:
        event = EndpointEvent.LAPSE
    state = next_endpoint_state(known.state, event)
    if state is not known.state:
        endpoints.change(it.tx, known.recipient_id, state=state, since=it.now)
        log_standing(it, known.recipient_id, state, event.value)
    if proved:
        endpoints.change(it.tx, known.recipient_id, verified_at=it.now, check_at=it.now + PROVES_EVERY)
        if known.state not in SENDS:
            endpoints.let_go(it.tx, known.recipient_id)
        return
    reason = "endpoint.silent" if state in SENDS else "endpoint.unverified"
    it.tell(reason, known.recipient_id, None, None, again_after=AGAIN)


def tend_endpoints(tx: Transaction, desk: Desk) -> int:
    """A chore: ask, tell of what ends, and let proposals lapse (rules 2, 5); how much was done."""
    with happening(tx, desk, ROUTER) as it:
        # In the order in which stories take rows: changes, then endpoints.
        lapsed = endpoint_changes.overdue(tx, it.now, AT_ONCE)
        for change in lapsed:
            end_change(it, change, ChangeEvent.LAPSE)
        asked = endpoints.to_ask(tx, it.now, AT_ONCE) if desk.verify_endpoints else []
        for known in asked:
            recipient = registry.load(tx, known.recipient_id)
            endpoints.change(tx, known.recipient_id, check_at=None)
            if recipient is not None:
                _ask(it, recipient)
        looked = endpoints.to_look_at(tx, it.now, AT_ONCE)
        for known in looked:
            _look(it, known)
        return len(lapsed) + len(asked) + len(looked)


def end_change(it: Happening, change: Change, event: ChangeEvent) -> None:
    """A proposed change, whose row is held, ends."""
    state = next_change_state(change.state, event)
    by = None if it.actor is ROUTER else it.actor.id
    endpoint_changes.end(it.tx, change.id, state, by, it.now)
    if event is not ChangeEvent.CONFIRM:
        stays = registry.load(it.tx, change.recipient_id)
        client_keys.keep_only(it.tx, change.recipient_id, [] if stays is None else [stays.certificate])
    said = {"change": change.id, "recipient": change.recipient_id, "state": state.value}
    it.log(Kind.ENDPOINT_CHANGE, said | {"changes": list(change.changes), "proposer": change.proposed_by})


def log_standing(it: Happening, recipient_id: str, state: EndpointState, cause: str) -> None:
    """Log where an endpoint stands, and why."""
    it.log(Kind.ENDPOINT_STANDING, {"recipient": recipient_id, "state": state.value, "cause": cause})


def _ask(it: Happening, recipient: Recipient) -> None:
    if recipient.url is not None:
        asked = EndpointMessage(it.id("emg"), recipient.id, MessageForm.CHALLENGE, it.now, it.now)
        endpoints.say(it.tx, asked)


def _look(it: Happening, known: Endpoint) -> None:
    """Rule 5."""
    recipient = registry.load(it.tx, known.recipient_id)
    ends = [] if recipient is None else _ends(recipient)
    endpoints.change(it.tx, known.recipient_id, looked_at=it.now, look_at=next_warning(ends, it.now))
    if recipient is None:
        return
    agreed = recipient.agreement_until
    if agreed is not None and is_to_be_told(agreed, known.looked_at, it.now):
        it.tell("agreement.ending", recipient.id, None, agreed, again_after=AGAIN)
    for end in _key_ends(recipient):
        if is_to_be_told(end, known.looked_at, it.now):
            it.tell("endpoint.keys-ending", recipient.id, None, end, again_after=AGAIN)


def _ends(recipient: Recipient) -> list[datetime]:
    agreed = recipient.agreement_until
    return _key_ends(recipient) + ([] if agreed is None else [agreed])


def _key_ends(recipient: Recipient) -> list[datetime]:
    trusted = expires_at(Trust(recipient.authorities, recipient.certificate))
    ends = [] if trusted is None else [trusted]
    untils = [one.until for one in recipient.encryption_keys]
    last = [until for until in untils if until is not None]
    return [*ends, max(last)] if last and len(last) == len(untils) else ends
