"""What does the service promise to who calls it? (OpenAPI 3.1)

1. The document is made from the routes and the access table, and a copy stands in the repository: a promise changes by
   a change that somebody sees.
2. Every status that a route can answer is declared, with its body and headers.
3. Roles stand beside each route; a credential is a bearer token.
4. The page for people is static: no script, nothing from elsewhere.
"""

import asyncio
import html
import json
import threading
from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from tiprouter.api import access, idempotency, limits, problems
from tiprouter.api.schemas.words import building, messages

VERSION: Final = "1.0.0"
"""The version of the promise, not of the program."""

ABOUT: Final = (
    "A consent-gated disclosure router for human-trafficking hotlines. Tips and case records come in; for each person "
    "and each agency it is decided what may be told; what may is delivered by signed webhook, and all of it is logged "
    "so that an outsider can verify it. Everything in the examples is fictional."
)
_PROBLEM: Final = "#/components/schemas/Problem"

PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. Nothing in it was sent by the caller, but for what is wrong with a policy bundle.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "examples": [problems.PREFIX + "invalid"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "examples": ["urn:request:req_01ARZ3NDEKTSV4RRFFQ69G5FAV"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "reason"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901, into the body, the query or the path"},
                    "reason": {"type": "string"},
                    "file": {"type": "string", "description": "of a policy bundle that was refused"},
                    "line": {"type": "integer", "description": "in that file, from 1"},
                },
            },
        },
        "down": {"type": "array", "items": {"type": "string"}, "description": "which parts are down (readyz)"},
    },
}

_KEY: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Yours, new for each request you mean; the same again brings the same answer again.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$", "examples": ["example-key-0001"]},
}
_IF_MATCH: Final[dict[str, Any]] = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of the revision you read.",
    "schema": {"type": "string", "pattern": '^"[0-9]{1,9}"$', "examples": ['"1"']},
}
_IF_NONE_MATCH: Final[dict[str, Any]] = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "`*` to create; either this or If-Match is required.",
    "schema": {"type": "string", "const": "*"},
}
_HEADERS: Final = {
    "Link": "The next page (RFC 8288), when there may be one.",
    "ETag": "The revision, for If-Match.",
    idempotency.REPLAYED: "`true` when this answer was given before.",
    "webhook-id": "The delivery's id, as a webhook carries it.",
    "webhook-timestamp": "When this answer was signed: seconds since 1970.",
    "webhook-signature": "As a webhook carries it: verify the body before reading.",
    "X-Request-Id": "The id of this request, also in `instance` of a problem and in the service's log.",
}
_WITH_BODY: Final = (400, 408, 413, 415, 422)
_PRECONDITIONS: Final[dict[tuple[str, str], tuple[dict[str, Any], ...]]] = {
    ("PUT", "/v1/cases/{case_id}"): (_IF_MATCH, _IF_NONE_MATCH),
    ("PUT", "/v1/recipients/{recipient_id}"): (_IF_MATCH | {"required": True},),
    ("POST", "/v1/recipients/{recipient_id}/changes"): (_IF_MATCH | {"required": True},),
    ("POST", "/v1/consents/{consent_id}/withdraw"): (_IF_MATCH,),
    ("POST", "/v1/consents/{consent_id}/confirm"): (_IF_MATCH,),
    ("POST", "/v1/consents/{consent_id}/narrow"): (_IF_MATCH,),
}


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an application (rules 1-3)."""
    # Forty messages that nothing but the document tells of.
    from tiprouter.api import webhooks  # noqa: PLC0415 - a start does not wait for them

    for message in messages():
        message.model_rebuild()  # parts before wholes, so that none is built again within each route that tells of it
    with building():
        made = get_openapi(
            title="tiprouter",
            version=app.version,
            description=ABOUT,
            routes=app.routes,
            webhooks=webhooks.router.routes,
            openapi_version="3.1.0",
        )
    for method, template, operation in _operations(made):
        _describe(method, template, operation)
    parts = made["components"]
    parts["schemas"] = {
        name: schema
        for name, schema in sorted((parts["schemas"] | {"Problem": PROBLEM_SCHEMA}).items())
        if name not in {"HTTPValidationError", "ValidationError"}
    }
    parts["securitySchemes"] = {"credential": {"type": "http", "scheme": "bearer", "bearerFormat": "tr_..."}}
    for webhook in made["webhooks"].values():
        webhook["post"]["responses"].pop("422", None)
    return made


def text(app: FastAPI) -> str:
    """The document as it stands in the repository."""
    return json.dumps(document(app), indent=1, ensure_ascii=False) + "\n"


class Papers:
    """The document and the page, made when somebody first asks: making them takes a second or two."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._made: tuple[bytes, bytes] | None = None

    async def document(self) -> bytes:
        """The document as JSON."""
        return (await self._at_hand())[0]

    async def page(self) -> bytes:
        """The page for people."""
        return (await self._at_hand())[1]

    async def _at_hand(self) -> tuple[bytes, bytes]:
        return await asyncio.to_thread(self._papers) if self._made is None else self._made

    def _papers(self) -> tuple[bytes, bytes]:
        with self._lock:
            if self._made is None:
                made = document(self._app)
                self._made = json.dumps(made, ensure_ascii=False).encode(), page(made).encode()
            return self._made


def _operations(made: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for template, methods in made["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), template, operation


def _describe(method: str, template: str, operation: dict[str, Any]) -> None:
    roles = access.TABLE[method, template]
    parameters, responses = operation.setdefault("parameters", []), operation["responses"]
    responses.pop("422", None)
    if roles is not access.PUBLIC:
        operation["security"] = [{"credential": []}]
        operation["x-roles"] = sorted(roles)
    parameters.extend(_PRECONDITIONS.get((method, template), ()))
    if idempotency.needs_key(method, template):
        parameters.append(_KEY)
    for status, response in responses.items():
        response["headers"] = _headers(method, template, operation, status)
    for status in sorted(_refusals(method, template, operation)):
        responses[str(status)] = responses.get(str(status)) or _refusal(status)
    operation["responses"] = dict(sorted(responses.items()))


def _headers(method: str, template: str, operation: dict[str, Any], status: str) -> dict[str, Any]:
    names = ["X-Request-Id"]
    if any(parameter["name"] == "limit" for parameter in operation["parameters"]):
        names.append("Link")
    if method == "GET" and template.rpartition("/")[2] in _VERSIONED and status == "200":
        names.append("ETag")
    if (method, template) == SIGNED and status == "200":
        names += ["webhook-id", "webhook-timestamp", "webhook-signature"]
    if idempotency.needs_key(method, template):
        names.append(idempotency.REPLAYED)
    return {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in names}


SIGNED: Final = ("GET", "/v1/inbox/{delivery_id}")
"""What is answered as a webhook would carry it."""

_VERSIONED: Final = frozenset({"{tip_id}", "{case_id}", "{consent_id}", "{recipient_id}"})


def _refusals(method: str, template: str, operation: dict[str, Any]) -> set[int]:
    found = {500} if (method, template) in limits.UNCOUNTED else {414, 421, 429, 500}
    if template not in {"/healthz", "/docs", "/openapi.json"}:
        found.add(503)
    if access.TABLE[method, template] is not access.PUBLIC:
        found |= {401, 404}
    elif template.startswith(("/v1/audit", "/v1/transparency", "/checkpoint", "/tile/")):
        found.add(404)
    if any(parameter["in"] == "query" for parameter in operation["parameters"]):
        found.add(422)
    if template.startswith(("/v1/sign-in", "/v1/invitations", "/v1/session/")) and method == "POST":
        found |= {401, 409, 429}
    if (method, template) in _MAY_CONFLICT:
        found.add(409)
    if idempotency.needs_key(method, template):
        found |= {400, 409, 410, 422}
    if "requestBody" in operation:
        found |= set(_WITH_BODY)
    if method == "GET" and template in _ERASABLE:
        found.add(410)
    return found | _of_precondition(method, template)


def _of_precondition(method: str, template: str) -> set[int]:
    asked = _PRECONDITIONS.get((method, template))
    if asked is None:
        return set()
    return {412, 428} if method == "PUT" or any(one["required"] for one in asked) else {412}


_MAY_CONFLICT: Final = frozenset(
    {
        ("GET", "/v1/session"),
        ("GET", "/v1/sessions"),
        ("DELETE", "/v1/sessions/{session_id}"),
        ("POST", "/v1/sign-out"),
        ("DELETE", "/v1/people/{account_id}"),
        ("GET", "/v1/matters/{record_id}/audit-bundle"),
    }
)
"""What is asked under no Idempotency-Key and may be refused for what happened or did not; an API key has no session."""

_ERASABLE: Final = frozenset(
    {
        "/v1/tips/{tip_id}",
        "/v1/cases/{case_id}",
        "/v1/consents/{consent_id}",
        "/v1/consents/{consent_id}/receipt",
        "/v1/duties/{duty_id}",
        "/v1/reviews/{review_id}",
        "/v1/inbox/{delivery_id}",
    }
)
"""What may have been here and be gone."""

_TITLES: Final = {
    400: "The request cannot be read: its body, its Idempotency-Key or its precondition",
    401: "No valid credential",
    404: "Not found, or not for you",
    409: "It conflicts with what happened before, or the same request is being answered",
    410: "What it is about was erased",
    412: "It was made against another revision",
    408: "The body took too long",
    413: "The body is too large",
    414: "The address is too long",
    415: "The body is not application/json",
    422: "A field is not valid, or the Idempotency-Key belongs to another request",
    421: "The service does not answer for this host",
    428: "A precondition is required",
    429: "Too many requests, or too many tries; Retry-After says when to come back",
    500: "Something went wrong",
    503: "Not available now",
}


def _refusal(status: int) -> dict[str, Any]:
    return {
        "description": _TITLES[status],
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": _PROBLEM}}},
    }


STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code{font-size:1.05em}dt{margin-top:1rem}"
)


def page(made: dict[str, Any]) -> str:
    """The routes, for people (rule 4)."""
    lines = "".join(_line(*one) for one in _operations(made))
    about = html.escape(made["info"]["description"])
    hooks = "".join(
        f"<dt><code>{html.escape(name)}</code></dt><dd>{html.escape(one['post'].get('description', ''))}</dd>"
        for name, one in made["webhooks"].items()
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>tiprouter</title><style>{STYLE}</style>'
        f'</head><body><h1>tiprouter</h1><p>{about}</p><p>The whole promise: <a href="/openapi.json">/openapi.json</a>'
        f" (OpenAPI 3.1).</p><h2>Routes</h2><dl>{lines}</dl><h2>Webhooks</h2><dl>{hooks}</dl></body></html>"
    )


def _line(method: str, template: str, operation: dict[str, Any]) -> str:
    roles = ", ".join(operation.get("x-roles", ())) or "public"
    said = html.escape(operation.get("description", ""))
    return f"<dt><code>{method} {html.escape(template)}</code> ({roles})</dt><dd>{said}</dd>"
