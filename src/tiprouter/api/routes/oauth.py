"""How does a system with a key of its own get an access token? (RFC 6749 sections 4.4 and 5, RFC 7523, RFC 8414)

1. Every assertion that shows nobody gets one answer, whatever is wrong with it and whoever it named: 401,
   `invalid_client`. Nothing is echoed; the reason is in the log, by client, when it named a real one.
2. A parameter that stands twice is refused, one that is not known is not looked at (RFC 6749 section 3.2).
3. An assertion is addressed to the issuer or to the token endpoint, both under the configured public URL; what a
   request says of its host is not asked.
"""

import re
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response

from tiprouter.api import scopes
from tiprouter.api.access import PUBLIC, TABLE, Desks, visit_of
from tiprouter.api.body import Route, read
from tiprouter.api.office import Office
from tiprouter.api.schemas.clients import ServerMetadata, TokenBody, TokenRefused
from tiprouter.workflow import access_tokens, client_assertions
from tiprouter.workflow.access_tokens import ScopeRefusedError, Wish
from tiprouter.workflow.client_assertions import RefusedAssertionError

router = APIRouter(route_class=Route, tags=["credentials"])

TOKEN_PATH: Final = "/v1/oauth/token"  # noqa: S105 - a path
GRANT_TYPE: Final = "client_credentials"
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FORM: Final = re.compile(r"application/x-www-form-urlencoded[ \t]*(?:;.*)?", re.ASCII | re.IGNORECASE)
_FORM_BYTES_MAX, _FIELDS_MAX = 16_384, 16
_WAY: Final = "client"
_REQUEST: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type", "client_assertion_type", "client_assertion"],
                    "properties": {
                        "grant_type": {"type": "string", "const": GRANT_TYPE},
                        "client_assertion_type": {"type": "string", "const": ASSERTION_TYPE},
                        "client_assertion": {"type": "string", "description": "a JWT (RFC 7523 section 3)"},
                        "scope": {"type": "string", "description": "scopes with spaces between; all when left out"},
                        "client_id": {"type": "string", "description": "may stand beside the assertion, as in it"},
                    },
                }
            }
        },
    }
}

_PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": TokenRefused, "description": "The form cannot be read or asks for too much", "content": _PROBLEM},
    401: {"model": TokenRefused, "description": "The assertion shows nobody", "content": _PROBLEM},
}


class _FormError(Exception):
    """The form cannot be read."""


@router.post(
    TOKEN_PATH, operation_id="issueToken", response_model=TokenBody, responses=_REFUSALS, openapi_extra=_REQUEST
)
async def issue_token(request: Request, office: Desks) -> Response:
    """Issue an access token for ten minutes to a client that shows who it is; refusals as in RFC 6749 section 5.2."""
    try:
        form = await _form(request, office)
    except _FormError:
        return _refused("invalid_request")
    if form["grant_type"] != GRANT_TYPE:
        return _refused("unsupported_grant_type")
    if form.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in form:
        return _refused("invalid_client")
    audience = frozenset({office.public_url, office.public_url + TOKEN_PATH})
    wanted = frozenset(form["scope"].split()) if form.get("scope") else None
    wish = Wish(form["client_assertion"], audience, visit_of(request).certificate, wanted)
    try:
        return await _issued(office, wish, form.get("client_id"))
    except RefusedAssertionError as refused:
        if refused.client_id is not None:
            office.porter.refused(office.database, office.desk, refused.client_id, _WAY, refused.refusal)
        return _refused("invalid_client")
    except ScopeRefusedError:
        return _refused("invalid_scope")


@router.get("/.well-known/oauth-authorization-server", operation_id="readServerMetadata", response_model=ServerMetadata)
async def read_server_metadata(office: Desks) -> Response:
    """What this authorization server is called, where it issues tokens, and which scopes and algorithms it knows."""
    known = {scopes.scope_of(*route) for route, roles in TABLE.items() if roles is not PUBLIC}
    algorithms = {one for some in client_assertions.ALGORITHMS.values() for one in some}
    said = ServerMetadata(
        issuer=office.public_url,
        token_endpoint=office.public_url + TOKEN_PATH,
        token_endpoint_auth_signing_alg_values_supported=tuple(sorted(algorithms)),
        scopes_supported=tuple(sorted(known)),
        tls_client_certificate_bound_access_tokens=bool(office.trusted_proxies),
    )
    return Response(said.rendered(), 200, None, "application/json")


async def _issued(office: Office, wish: Wish, named: str | None) -> Response:
    now = office.desk.now()
    shown = await office.database.read(lambda tx: access_tokens.examine(tx, wish, now))
    if named is not None and named != shown.client.id:
        return _refused("invalid_client")
    issued = await office.database.write(
        lambda tx: access_tokens.issue(tx, office.desk, wish, shown, lambda role: scopes.of_role(TABLE, role))
    )
    body = TokenBody(
        access_token=issued.token,
        expires_in=int(issued.life.total_seconds()),
        scope=None if issued.scopes is None else " ".join(sorted(issued.scopes)),
    )
    return Response(body.model_dump_json(exclude_none=True), 200, {"Pragma": "no-cache"}, "application/json")


async def _form(request: Request, office: Office) -> dict[str, str]:
    """The form's fields (rule 2). Raises `_FormError`, and what reading a body raises."""
    declared = request.headers.getlist("content-type")
    data = await read(request, min(_FORM_BYTES_MAX, office.body_bytes_max), office.patience.body_seconds)
    if len(declared) != 1 or not _FORM.fullmatch(declared[0].strip()):
        raise _FormError
    try:
        fields = parse_qsl(
            data.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_FIELDS_MAX,
        )
    except ValueError:
        raise _FormError from None
    form = dict(fields)
    if len(form) < len(fields) or "grant_type" not in form:
        raise _FormError
    return form


def _refused(error: str) -> Response:
    body = TokenRefused.model_validate({"error": error}).rendered()
    if error == "invalid_client":
        return Response(body, 401, {"WWW-Authenticate": "Bearer"}, "application/json")
    return Response(body, 400, None, "application/json")
