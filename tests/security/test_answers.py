"""What no answer says to another site, and what a refused request leaves in the log."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.datastructures import MutableHeaders
from structlog.testing import capture_logs

from tests.api.calling import MARKER, Api, running, tip
from tests.security.authorisation import TABLE
from tests.security.driving import ELSEWHERE, invitations
from tests.support.second_words import agree
from tests.support.service import OPERATOR, open_service
from tiprouter.api import headers
from tiprouter.api.limiter import Bounds
from tiprouter.workflow import credentials
from tiprouter.workflow.credentials import CallerRole, Terms

PREFLIGHT = ELSEWHERE | {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """The edge, without limits on who asks how often."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service, running(service) as found:
        found.office.limiter.bounds = Bounds(reads=0, writes=0, strangers=0, attempts=0)
        yield found


async def inviting(api: Api) -> list[str]:
    """The routes that let a page elsewhere ask beforehand, or read the answer."""
    found = []
    for method, route in TABLE:
        for asked in ("OPTIONS", method):
            answer = await api.send("reviewer", asked, route, headers=PREFLIGHT)
            found += [f"{asked} {route}: {name}" for name in invitations(answer)]
    return found


async def test_no_answer_lets_a_page_elsewhere_read_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """No route answers a preflight or names an origin; one header planted at the edge is found everywhere."""
    assert await inviting(api) == []
    honest = headers.mark

    def generous(said: MutableHeaders, request_id: str, **kept: bool) -> None:
        honest(said, request_id, **kept)
        said["Access-Control-Allow-Origin"] = "*"

    monkeypatch.setattr(headers, "mark", generous)
    assert len(await inviting(api)) == 2 * len(TABLE)


async def test_by_https_browsers_are_asked_to_keep_to_it(api: Api) -> None:
    """For a year, on every answer; for what is below our host where the operator says that it is theirs."""
    object.__setattr__(api.office, "https", True)
    for subdomains, said in ((False, "max-age=31536000"), (True, "max-age=31536000; includeSubDomains")):
        object.__setattr__(api.office, "subdomains", subdomains)
        for path in ("/healthz", "/v1/tips", "/nothing", "/sign-in"):
            answer = await api.send(None, "GET", path)
            assert answer.headers.get_list("strict-transport-security") == [said]


async def test_the_name_of_a_file_is_ours(api: Api) -> None:
    """An audit bundle is an attachment by the record's id, whatever else a caller asks for."""
    kept = (await api.send("intake", "POST", "/v1/tips", tip())).json()
    await api.service.sequencer.drain()
    await agree(api, "reviewer", "auditor", "export", kept["id"])
    asked = f"/v1/matters/{kept['id']}/audit-bundle?filename={MARKER}.html"
    answer = await api.send("reviewer", "GET", asked, headers={"Content-Disposition": f'filename="{MARKER}"'})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == f'attachment; filename="{kept["id"]}.audit-bundle.zip"'
    assert answer.headers["content-type"] == "application/zip"
    assert MARKER not in repr(answer.headers)


async def test_a_refused_request_says_in_the_log_what_was_lacking(api: Api) -> None:
    """Who asked, for which route, and whether their role or which scope was lacking; never a word of what they sent."""
    terms = Terms(scopes=frozenset({"tips:read"}))
    made = await api.service.database.write(
        lambda tx: credentials.make(tx, api.service.desk, OPERATOR, CallerRole.INTAKE, None, terms)
    )
    api.tokens["narrow"] = made[1]
    with capture_logs() as said:
        answers = [
            await api.send("intake", "GET", f"/v1/people?{MARKER}=1"),
            await api.send("narrow", "POST", "/v1/consents", {"person": MARKER}),
            await api.send("narrow", "GET", "/v1/tips"),
            await api.send(None, "GET", "/v1/tips"),
        ]
    lines = [one for one in said if one["event"] == "request"]
    assert [one["status"] for one in lines] == [404, 404, 200, 401], [one for one in said if one["event"] != "request"]
    assert [one.get("lacks") for one in lines] == ["role", "consents:write", None, None]
    assert [one["role"] for one in lines] == ["intake", "intake", "intake", None]
    assert lines[1]["caller"] == made[0].id
    assert MARKER not in repr(said)
    assert "consents:write" not in answers[1].text
    assert answers[0].json()["detail"] == answers[1].json()["detail"]
