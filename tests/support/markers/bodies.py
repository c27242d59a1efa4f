"""Bodies of requests with a marker in every field that can hold somebody's words. All of it is fictional."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.markers.sowing import Mark
from tiprouter.domain.redaction import stamp
from tiprouter.domain.vocabulary import Category

Body = dict[str, Any]
DANGER: Body = {"immediate": "yes", "escalating": "yes", "perceived": "heard"}


def ago(**span: float) -> str:
    """A moment before now; after it where the span is negative."""
    return stamp(datetime.now(UTC) - timedelta(**span))


def somebody(mark: Mark, years: int, **changes: Any) -> Body:  # noqa: ANN401 - JSON
    """A person."""
    identity = ("first_name", "middle_name", "second_name", "nickname", "description", "identity_number")
    return {
        "ref": mark("ref"),
        "role": "potential_victim",
        "age": {"years": years},
        "guardians": [{"relationship": mark("guardian"), "implicated": "no"}],
        "identity": {name: mark(name) for name in identity},
        "contact": {name: mark(name) for name in ("email", "phone", "safe_channel", "safe_time")},
        "health": mark("health"),
        "immigration": mark("immigration"),
    } | changes


def told(mark: Mark, years: int = 12, **changes: Any) -> Body:  # noqa: ANN401 - JSON
    """A tip about one person; a case where `changes` give it a status, which is named by its path alone."""
    person = changes.pop("person", None) or somebody(mark, years)
    place = ("street", "city", "state", "postal_code", "country", "description")
    statements = [
        {"text": mark("statement"), "persons": [person["ref"]], "category": category.value} for category in Category
    ]
    return {
        "source": mark("source"),
        "signaled_at": ago(minutes=10),
        "received_at": ago(minutes=5),
        "channel": "phone",
        "language": "en",
        "signaler": {"relationship": "self", "wish": "unstated", "ref": person["ref"]},
        "exploitation": ["ForcedLabour"],
        "jurisdictions": [{"code": "US-TX", "reason": "found"}],
        "persons": [person],
        "statements": [*statements, {"text": mark("unlabelled")}],
        "location": {name: mark(name) for name in place} | {"persons": [person["ref"]]},
    } | ({"external_id": mark("external")} | changes if "status" not in changes else changes)


def in_danger(mark: Mark) -> Body:
    """A tip about an adult in danger at this moment."""
    return told(mark, 30, violence=DANGER | {"observed_at": ago(minutes=6)})


def filed(mark: Mark, **changes: Any) -> Body:  # noqa: ANN401 - JSON
    """A case."""
    return told(mark, **changes, status="Active", tips=[])


def granted(mark: Mark, whose: Body, **changes: Any) -> Body:  # noqa: ANN401 - JSON
    """A consent with words of its own, about the person of a record."""
    return {
        "person": whose,
        "choice": "grant",
        "grantor": "both",
        "guardian_implicated": "no",
        "guardian": {
            "relationship": mark("relationship"),
            "attested_by": mark("attested_by"),
            "attested_at": ago(hours=1),
            "ref": mark("guardian_ref"),
        },
        "recipients": [],
        "kinds": ["law_enforcement"],
        "purposes": ["investigation"],
        "categories": ["incident", "identity"],
        "method": "verbal",
        "informed": True,
        "given_at": ago(hours=1),
        "valid_from": ago(hours=1),
        "expires_at": ago(days=-30),
        "witness": mark("witness"),
        "safe_contact": {"channel": mark("channel"), "time": mark("time")},
    } | changes


def agency(name: str, **changes: Any) -> Body:  # noqa: ANN401 - JSON
    """An agency of police in Texas."""
    return {
        "name": f"Example {name}",
        "kind": "law_enforcement",
        "jurisdictions": ["US-TX"],
        "counties": [],
        "signature_scheme": "v1a",
        "status": "active",
        "agreement_until": ago(days=-365),
    } | changes
