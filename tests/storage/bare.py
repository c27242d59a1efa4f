"""Bare rows: a delivery and everything it must refer to, without the story that would have made them."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy.engine import Connection

from tests.support.fictional import agency
from tests.support.service import START
from tiprouter.domain.endpoint_states import EndpointState
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import RecipientKind, Urgency
from tiprouter.storage import deliveries, endpoints, registry
from tiprouter.storage.deliveries import Delivery
from tiprouter.storage.endpoints import Endpoint
from tiprouter.storage.tables import disclosures, matters, records


def add_recipient(tx: Connection, name: str) -> None:
    """One registered agency."""
    registry.put(tx, agency(RecipientKind.LAW_ENFORCEMENT, id=name, revision=1), START, f"mrk_{uuid4().hex}")
    endpoints.open_row(tx, Endpoint(name, EndpointState.VERIFIED, START, None, None, START, None))


def add_record(tx: Connection, name: str) -> None:
    """One record, without a body."""
    row = {"id": name, "kind": "tip", "external": name, "revision": 1, "epoch": 1}
    tx.execute(records.insert(), row | dict.fromkeys(("received_at", "accepted_at", "revised_at"), START))


def add_matter(tx: Connection, name: str, record: str, recipient: str) -> None:
    """What one recipient is told about one record."""
    tx.execute(matters.insert(), {"id": name, "record_id": record, "recipient_id": recipient, "sequence": 0})


def add_delivery(tx: Connection, name: str, matter: tuple[str, str, str], **changes: Any) -> Delivery:  # noqa: ANN401 - columns of the row
    """A delivery due since START in a matter (its id, its record, its recipient), with its disclosure."""
    values: dict[str, Any] = {
        "id": name,
        "disclosure_id": f"dis_{name}",
        "matter_id": matter[0],
        "sequence": 1,
        "record_id": matter[1],
        "recipient_id": matter[2],
        "urgency": Urgency.STANDARD,
        "state": DeliveryState.QUEUED,
        "attempts": 0,
        "next_at": START,
        "deadline": START + timedelta(hours=24),
        "warn_at": None,
        "deliver_by": START + timedelta(hours=24),
        "basis": "1.1.x",
        "valid_until": None,
        "lease": None,
        "lease_until": None,
        "created_at": START,
        "finished_at": None,
    }
    made = Delivery(**values | changes)
    tx.execute(
        disclosures.insert(),
        {
            "id": made.disclosure_id,
            "matter_id": made.matter_id,
            "sequence": made.sequence,
            "record_id": made.record_id,
            "revision": 1,
            "recipient_id": made.recipient_id,
            "recalls": None,
            "state": "standing",
            "categories": [],
            "decisions": [],
            "sealed": b"",
            "digest": "",
            "content_digest": "",
            "made_at": START,
        },
    )
    deliveries.add(tx, made)
    return made


def add_alone(tx: Connection, name: str, recipient: str, **changes: Any) -> Delivery:  # noqa: ANN401 - as above
    """A delivery in a record and a matter of its own."""
    add_record(tx, f"tip_{name}")
    add_matter(tx, f"mat_{name}", f"tip_{name}", recipient)
    return add_delivery(tx, name, (f"mat_{name}", f"tip_{name}", recipient), **changes)
