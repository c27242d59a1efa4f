"""Who may change where an agency's disclosures go, how, and by which keys they are read and believed?

1. Two persons: one proposes, another confirms within a week. Until then everything goes where it went before.
2. The endpoint as it was is told at once, signed, whatever it answers: what changes, not into what. So is a human.
3. What is confirmed is what was proposed: an entry that changed meanwhile refuses the confirmation.
4. Of one agency one change waits at a time; anybody who may propose may withdraw it, alone.
5. A confirmed change makes the endpoint unverified (`workflow/proving.py`): two persons who err alike still disclose to
   nobody who cannot answer for the agency.
6. A new agency is confirmed by the same two words (`workflow/enrolment.py`, rule 6). Where the first proposal for one
   ended, any proposal, also of nothing else, is the next, and what it proposes is an active agency.
7. There is no emergency in which one person does. Suspending an agency, or taking its webhook away, sends nothing
   anywhere: that one person does at once (`workflow/enrolment.py`).

Who counts as another person is `workflow/separation.py`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tiprouter.audit.kinds import Kind
from tiprouter.domain.endpoint import GUARDED, MessageForm, guarded
from tiprouter.domain.endpoint_states import ChangeEvent, ChangeState
from tiprouter.domain.recipient import Recipient, RecipientStatus
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.storage import bundles, client_keys, endpoint_changes, endpoints, registry
from tiprouter.storage.database import Transaction
from tiprouter.storage.endpoint_changes import Change
from tiprouter.storage.endpoints import EndpointMessage
from tiprouter.workflow.enrolment import ENROLMENT, check_entry, keep_key, log_entry, unconfirmed, wait
from tiprouter.workflow.happening import Actor, Desk, Happening, happening
from tiprouter.workflow.proving import changed, end_change
from tiprouter.workflow.revisit import agency_changed
from tiprouter.workflow.separation import Act, OnePersonError, require_another
from tiprouter.workflow.standing import require_fresh


class ChangeWaitsError(ConflictError):
    """Another change of this agency waits for a second person; confirm or withdraw it first."""


class ChangeEndedError(ConflictError):
    """The change does not wait for this any more; look at it again."""


class OneCredentialError(OnePersonError):
    """A second credential confirms a change; you proposed this one."""

    act = Act.ENDPOINT


class EntryMovedError(ConflictError):
    """The agency's entry changed since; withdraw this change and propose it again."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which `GUARDED` fields of a recipient, at which revision, should be what; and the wished certificate's key."""

    recipient_id: str
    revision: int
    values: Mapping[str, Any]
    private_key: str = field(default="", repr=False)


def propose(tx: Transaction, desk: Desk, actor: Actor, wish: Wish) -> Change:
    """Propose a change (rules 1, 2, 4).

    Raises `NotFoundError`, `ConflictError`, `InvalidError`, `ChangeWaitsError`.
    """
    with happening(tx, desk, actor) as it:
        recipient_id, private_key = wish.recipient_id, wish.private_key
        old = _held(tx, recipient_id)
        if old.revision != wish.revision:
            raise ConflictError
        if endpoint_changes.proposed(tx, recipient_id) is not None:
            raise ChangeWaitsError
        wanted = replace(old, **{name: value for name, value in wish.values.items() if name in GUARDED})
        names = guarded(old, wanted)
        if unconfirmed(tx, recipient_id):
            wanted, names = replace(wanted, status=RecipientStatus.ACTIVE), (*names, ENROLMENT)
        if not names:
            raise InvalidError("Nothing here needs a second person; change the entry itself.", "")
        if "certificate" not in names and wanted.certificate:
            private_key = client_keys.read(tx, desk.vault, recipient_id, wanted.certificate)
        check_entry(it, wanted, private_key)
        keep_key(it, wanted, private_key)
        change = wait(it, old, wanted, names)
        _tell_old(it, old, change)
        return change


def confirm(tx: Transaction, desk: Desk, actor: Actor, change_id: str) -> Recipient:
    """Put into force what another person proposed (rules 1, 3, 5); the recipient from now on.

    Raises `NotFoundError`, `ChangeEndedError`, `OneCredentialError`, `EntryMovedError`, `InvalidError`.
    """
    with happening(tx, desk, actor) as it:
        require_fresh(actor, it.now)
        bundles.hold(tx)
        change, old = _both(tx, change_id)
        if change.state is not ChangeState.PROPOSED or it.now >= change.confirm_until:
            raise ChangeEndedError
        require_another(it, OneCredentialError, change.proposed_by)
        if old.revision != change.revision:
            raise EntryMovedError
        certificate = change.wanted.certificate
        check_entry(it, change.wanted, client_keys.read(tx, desk.vault, old.id, certificate) if certificate else "")
        recipient = replace(change.wanted, revision=old.revision + 1)
        registry.put(tx, recipient, it.now, it.id("mrk"))
        client_keys.keep_only(tx, old.id, [old.certificate, recipient.certificate])
        end_change(it, change, ChangeEvent.CONFIRM)
        changed(it, old, recipient)
        agency_changed(it, old, recipient, Kind.RECIPIENT_CHANGED.value)
        log_entry(it, Kind.RECIPIENT_CHANGED, recipient)
        return recipient


def withdraw(tx: Transaction, desk: Desk, actor: Actor, change_id: str) -> Change:
    """End a proposal (rule 4). Raises `NotFoundError`, `ChangeEndedError`."""
    with happening(tx, desk, actor) as it:
        change, _ = _both(tx, change_id)
        if change.state is not ChangeState.PROPOSED:
            raise ChangeEndedError
        end_change(it, change, ChangeEvent.WITHDRAW)
        return replace(change, state=ChangeState.WITHDRAWN, ended_by=actor.id, ended_at=it.now)


def changes_of(tx: Transaction, recipient_id: str, after: str | None, limit: int) -> list[Change]:
    """One agency's changes, newest first. Raises `NotFoundError`."""
    if registry.load(tx, recipient_id) is None:
        raise NotFoundError
    return endpoint_changes.page(tx, recipient_id, after, limit)


def _tell_old(it: Happening, old: Recipient, change: Change) -> None:
    """Rule 2."""
    if old.url is not None:
        form = MessageForm.CHANGING
        told = EndpointMessage(it.id("emg"), old.id, form, it.now, it.now, change_id=change.id, target=old)
        endpoints.say(it.tx, told)


def _both(tx: Transaction, change_id: str) -> tuple[Change, Recipient]:
    """A change and its recipient, held in the house's order: the recipient first."""
    found = endpoint_changes.load(tx, change_id)
    if found is None:
        raise NotFoundError
    recipient = _held(tx, found.recipient_id)
    change = endpoint_changes.load(tx, change_id, lock=True)
    if change is None:
        raise NotFoundError
    return change, recipient


def _held(tx: Transaction, recipient_id: str) -> Recipient:
    recipient = registry.load(tx, recipient_id, lock=True)
    if recipient is None:
        raise NotFoundError
    return recipient
