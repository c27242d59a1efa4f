"""Is what the service promises written down, current, and whole?"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.calling import Api
from tiprouter.api import access, documentation, idempotency
from tiprouter.api.app import assemble
from tiprouter.api.schemas import examples
from tiprouter.api.schemas.bundles import ApprovalWanted
from tiprouter.api.schemas.consents import ConsentBody
from tiprouter.api.schemas.credentials import CredentialWanted
from tiprouter.api.schemas.explanations import FactsWanted
from tiprouter.api.schemas.recipients import RecipientBody
from tiprouter.api.schemas.records import CaseBody, TipBody

COMMITTED = Path(__file__).parents[2] / "openapi" / "openapi.json"
HTTP_METHODS = {"get", "put", "post", "delete"}


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """The document, made anew."""
    return documentation.document(assemble())


def _walk(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _walk(one)
    elif isinstance(value, list):
        for one in value:
            yield from _walk(one)


def _operations(written: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for template, methods in written["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), template, operation


def test_the_committed_document_is_the_current_one() -> None:
    """A promise changes by a change that somebody sees: `tiprouter openapi > openapi/openapi.json`."""
    assert COMMITTED.read_text() == documentation.text(assemble())


def test_the_document_holds_together(written: dict[str, Any]) -> None:
    """OpenAPI 3.1: every reference leads somewhere, every part is used, every operation has a name of its own."""
    assert written["openapi"] == "3.1.0"
    assert set(written) == {"openapi", "info", "paths", "webhooks", "components"}
    schemas, used = written["components"]["schemas"], set()
    for part in _walk(written):
        if "$ref" in part:
            prefix, _, name = part["$ref"].rpartition("/")
            assert prefix == "#/components/schemas"
            assert name in schemas
            used.add(name)
        if isinstance(part.get("pattern"), str):
            re.compile(part["pattern"])
    assert used == set(schemas)
    names = [operation["operationId"] for _, _, operation in _operations(written)]
    assert len(set(names)) == len(names)
    for _, template, operation in _operations(written):
        declared = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert declared == set(re.findall(r"\{(\w+)\}", template))
        assert all(len(status) == 3 and answer["description"] for status, answer in operation["responses"].items())


def test_every_route_is_documented_with_its_roles_and_refusals(written: dict[str, Any]) -> None:
    """Each row of the access table is an operation that says who may use it and what else can be answered."""
    assert {(method, template) for method, template, _ in _operations(written)} == set(access.TABLE)
    for method, template, operation in _operations(written):
        roles, statuses = access.TABLE[method, template], set(operation["responses"])
        assert operation["description"]
        assert operation.get("x-roles", []) == sorted(roles)
        assert ("security" in operation) == (roles is not access.PUBLIC)
        if roles is not access.PUBLIC:
            assert {"401", "404", "500", "503"} <= statuses
        required = {one["name"] for one in operation["parameters"] if one.get("required")}
        changes = method in {"POST", "PUT"} and (method, template) not in idempotency.QUESTIONS
        assert ("Idempotency-Key" in required) == changes
        if changes:
            assert {"400", "409", "422"} <= statuses
        for status, answer in operation["responses"].items():
            assert (int(status) >= 400) == ("application/problem+json" in answer.get("content", {}))


def test_the_webhooks_are_documented(written: dict[str, Any]) -> None:
    """Every event, with the headers of Standard Webhooks."""
    assert set(written["webhooks"]) == {
        *("disclosure.made", "disclosure.recalled", "disclosure.available", "disclosure.answered"),
        *("endpoint.challenge", "endpoint.changing", "endpoint.test"),
        "notice.raised",
    }
    for webhook in written["webhooks"].values():
        headers = {one["name"] for one in webhook["post"]["parameters"]}
        assert headers == {"webhook-id", "webhook-timestamp", "webhook-signature"}


def test_every_example_is_what_its_schema_says() -> None:
    """Each example can be sent as it stands, and nobody in it exists."""
    TipBody.model_validate(examples.TIP).to_domain()
    CaseBody.model_validate(examples.CASE).to_domain("C-1001")
    ConsentBody.model_validate(examples.CONSENT).to_domain()
    RecipientBody.model_validate(examples.RECIPIENT).to_domain()
    CredentialWanted.model_validate(examples.CREDENTIAL)
    ApprovalWanted.model_validate(examples.APPROVAL)
    FactsWanted.model_validate(examples.QUESTION).facts.to_domain()
    spelt = json.dumps([examples.TIP, examples.CASE, examples.CONSENT, examples.RECIPIENT])
    assert "555-01" in spelt
    assert all(host.endswith(".example") for host in re.findall(r"https?://([^/\"]+)", spelt))


async def test_the_document_and_its_page_are_served_without_anything_from_elsewhere(api: Api) -> None:
    """The page names every route, loads nothing, and runs nothing."""
    served = await api.send(None, "GET", "/openapi.json")
    assert served.json() == json.loads(COMMITTED.read_text())
    page = await api.send(None, "GET", "/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert all(f"{method} {template}" in page.text for method, template in access.TABLE)
    assert not re.search(r"<script|<link|<img|src=|@import|url\(|https?://", page.text)
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
