"""What does a message look like? Everything in here is fictional; a test parses each."""

from typing import Any, Final

_SITUATION: Final[dict[str, Any]] = {
    "source": "hotline-example",
    "signaled_at": "2026-03-02T14:50:00.000Z",
    "received_at": "2026-03-02T14:55:00.000Z",
    "channel": "phone",
    "language": "en",
    "signaler": {"relationship": "self", "wish": "unstated", "ref": "p1"},
    "exploitation": ["ForcedLabour"],
    "jurisdictions": [{"code": "US-TX", "reason": "found", "county": "48201"}],
    "persons": [
        {
            "ref": "p1",
            "role": "potential_victim",
            "age": {"years": 29},
            "identity": {"first_name": "Example", "second_name": "Person", "gender": "Feminine"},
            "contact": {"phone": "+1-555-0100", "safe_channel": "text"},
        }
    ],
    "statements": [{"text": "Example text about nobody.", "persons": ["p1"], "category": "incident"}],
    "violence": {"immediate": "no", "escalating": "no", "perceived": "unknown"},
}
TIP: Final[dict[str, Any]] = _SITUATION | {"external_id": "T-1001"}
CASE: Final[dict[str, Any]] = _SITUATION | {"status": "Active"}
CONSENT: Final[dict[str, Any]] = {
    "person": {"source": "hotline-example", "ref": "p1"},
    "choice": "grant",
    "grantor": "self",
    "kinds": ["service_provider"],
    "purposes": ["services"],
    "categories": ["incident", "contact"],
    "method": "verbal",
    "informed": True,
    "given_at": "2026-03-02T14:50:00.000Z",
    "expires_at": "2026-06-02T14:50:00.000Z",
}
RECIPIENT: Final[dict[str, Any]] = {
    "name": "Example Shelter",
    "kind": "service_provider",
    "jurisdictions": ["US-TX"],
    "url": "https://shelter.example/tiprouter",
    "signature_scheme": "v1a",
    "status": "active",
    "agreement_until": "2027-01-01T00:00:00.000Z",
}
CREDENTIAL: Final[dict[str, Any]] = {"role": "intake"}
CLIENT: Final[dict[str, Any]] = {
    "role": "intake",
    "label": "crm",
    "scopes": ["tips:write"],
    "keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}],
}
APPROVAL: Final[dict[str, Any]] = {"against": "0123456789abcdef" * 4, "accept_newly_disclosed": False}
QUESTION: Final[dict[str, Any]] = {
    "facts": {
        "recipient_kind": "law_enforcement",
        "usable": True,
        "agreement": True,
        "implicated": False,
        "in_jurisdiction": "yes",
        "role": "potential_victim",
        "age": "adult",
        "duty": "not_required",
        "reporter": "self",
        "immediate": "no",
        "escalating": "no",
        "perceived": "unknown",
        "fresh": False,
        "basis": "none",
        "consents": {
            "incident": "not_asked",
            "location": "not_asked",
            "identity": "not_asked",
            "contact": "not_asked",
            "health": "not_asked",
            "immigration": "not_asked",
            "signaler_identity": "not_asked",
        },
        "rows": [],
    }
}


def example(value: dict[str, Any]) -> dict[str, Any]:
    """An example as a schema holds it."""
    return {"examples": [value]}
