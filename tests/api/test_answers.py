"""What does every answer say to protect its reader, and what is a write told about a body that is not strict JSON?"""

import base64
import hashlib
import re

import pytest

from tests.api.calling import MARKER, Api
from tiprouter.api import access, documentation, headers, idempotency
from tiprouter.api.body import Route
from tiprouter.api.nouns import NOUNS

PROTECTING = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
}
BROKEN = {
    b'{"a": 1, "a": "' + MARKER.encode() + b'"}': "duplicate-name",
    b'{"' + MARKER.encode() + b'": NaN}': "not-a-number",
    b'{"a": "' + MARKER.encode() + b'\\u0000"}': "nul-character",
    b'{"a": "' + MARKER.encode() + b'"} {}': "not-json",
}
FORMS = {"/v1/oauth/token"}
"""What is sent as a form, as its standard wants it."""


async def test_good_refused_and_lost_answers_protect_their_reader(api: Api) -> None:
    """Each of them, with an id of ours and not the caller's; by https alone it asks for https from then on."""
    for path, status in (("/healthz", 200), ("/v1/tips", 401), ("/nothing", 404), ("/readyz", 200)):
        answer = await api.send(None, "GET", path, headers={"X-Request-Id": MARKER})
        assert answer.status_code == status
        assert PROTECTING.items() <= dict(answer.headers).items()
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert re.fullmatch("req_[0-9A-Z]{26}", answer.headers["x-request-id"])
        assert "strict-transport-security" not in answer.headers
        assert "server" not in answer.headers
    object.__setattr__(api.office, "https", True)
    answer = await api.send(None, "GET", "/nothing")
    assert answer.headers["strict-transport-security"] == headers.TRANSPORT


async def test_the_page_runs_what_it_has_and_nothing_else(api: Api) -> None:
    """Its style by its hash; no script, and nothing from elsewhere."""
    policy = (await api.send(None, "GET", "/docs")).headers["content-security-policy"]
    digest = base64.b64encode(hashlib.sha256(documentation.STYLE.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy


async def test_no_write_reads_two_things_into_one_body(api: Api) -> None:
    """Every route with a body, each fault: its own problem, nothing of it said back, and no row made."""
    bodies = {
        (min(one.methods or ()), one.path_format)
        for noun in NOUNS
        for one in noun.router.routes
        if isinstance(one, Route) and one.body_field is not None and one.path_format not in FORMS
    }
    assert len(bodies) > 20
    before = await api.counts()
    for method, template in sorted(bodies):
        roles = sorted(access.TABLE[method, template] & set(api.tokens))
        path = re.sub(r"\{\w+\}", "cns_01KJQH0CC0BX86ENBVMH4TY5PG", template)
        for content, slug in BROKEN.items():
            answer = await api.send(roles[0] if roles else None, method, path, content=content)
            assert MARKER not in answer.text + str(answer.headers), (method, template)
            if roles:
                assert answer.json()["type"].endswith(slug), (method, template, answer.text)
            else:
                assert 400 <= answer.status_code < 500
    assert await api.counts() == before


@pytest.mark.parametrize("template", ["/v1/consents/{consent_id}/withdraw"])
def test_what_is_always_taken_is_a_route_that_there_is(template: str) -> None:
    """A withdrawal that was renamed would be refused like any other write."""
    assert ("POST", template) in access.TABLE
    assert idempotency.needs_key("POST", template)
