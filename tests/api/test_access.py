"""Who may use which route? Every cell of the table, asked over HTTP."""

import re

import httpx2
from fastapi.routing import iter_route_contexts

from tests.api.calling import ROLES, Api, with_agency
from tests.support.fictional import agency
from tests.support.service import OPERATOR
from tiprouter.api import access
from tiprouter.api.app import assemble
from tiprouter.workflow import credentials
from tiprouter.workflow.credentials import CallerRole

ABSENT = {
    "tip_id": "tip_01KJQH0CC0BX86ENBVMH4TY5PG",
    "case_id": "no-such-case",
    "consent_id": "cns_01KJQH0CC0BX86ENBVMH4TY5PG",
    "person_id": "per_01KJQH0CC0BX86ENBVMH4TY5PG",
    "record_id": "tip_01KJQH0CC0BX86ENBVMH4TY5PG",
    "recipient_id": "rcp_01KJQH0CC0BX86ENBVMH4TY5PG",
    "decision_id": "dec_01KJQH0CC0BX86ENBVMH4TY5PG",
    "duty_id": "dut_01KJQH0CC0BX86ENBVMH4TY5PG",
    "disclosure_id": "dis_01KJQH0CC0BX86ENBVMH4TY5PG",
    "delivery_id": "msg_01KJQH0CC0BX86ENBVMH4TY5PG",
    "grant_id": "grt_01KJQH0CC0BX86ENBVMH4TY5PG",
    "word_id": "wrd_01KJQH0CC0BX86ENBVMH4TY5PG",
    "replay_id": "rpl_01KJQH0CC0BX86ENBVMH4TY5PG",
    "notice_id": "ntc_01KJQH0CC0BX86ENBVMH4TY5PG",
    "review_id": "rvw_01KJQH0CC0BX86ENBVMH4TY5PG",
    "acknowledgement_id": "ack_01KJQH0CC0BX86ENBVMH4TY5PG",
    "change_id": "chg_01KJQH0CC0BX86ENBVMH4TY5PG",
    "question_id": "qst_01KJQH0CC0BX86ENBVMH4TY5PG",
    "account_id": "acc_01KJQH0CC0BX86ENBVMH4TY5PG",
    "session_id": "ses_01KJQH0CC0BX86ENBVMH4TY5PG",
    "credential_id": "cal_01KJQH0CC0BX86ENBVMH4TY5PG",
    "client_id": "clt_01KJQH0CC0BX86ENBVMH4TY5PG",
    "digest": "0" * 64,
    "index": "999999",
    "level": "7",
    "path": "999",
}

OF_THE_LOG = re.compile(r"/(entries/\{index\}|tile/)")
"""What is told how long the log is when it has not grown to it, as its checkpoint tells everybody."""


def _at(template: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: ABSENT[match[1]], template)


def seen(answer: httpx2.Response) -> tuple[int, list[tuple[str, str]], str]:
    """All that a caller sees of an answer, less what differs between any two: request id and date."""
    request_id = answer.headers["x-request-id"]
    own = {"x-request-id", "date", "ratelimit", "ratelimit-policy"}
    headers = sorted((name, value) for name, value in answer.headers.items() if name not in own)
    return answer.status_code, headers, answer.text.replace(request_id, "")


async def test_every_cell_of_the_table_answers_as_it_says(api: Api) -> None:
    """A role of the row is let in; any other gets, byte for byte, what an absent thing gets; nobody gets 401."""
    await with_agency(api, "agency", (await api.service.enrol(agency())).recipient.id)
    absent = seen(await api.send("intake", "GET", _at("/v1/tips/{tip_id}")))
    assert absent[0] == 404
    denied = 0
    for (method, template), roles in access.TABLE.items():
        path = _at(template)
        for role in ROLES:
            answer = await api.send(role.value, method, path)
            if roles is access.PUBLIC or role in roles:
                assert answer.status_code not in {401, 405}, (method, template, role)
                if answer.status_code == 404 and OF_THE_LOG.search(template):
                    assert answer.json()["type"].endswith(":beyond-log"), (method, template, role)
                elif answer.status_code == 404:
                    assert seen(answer) == absent, (method, template, role)
                    assert "{" in template or "checkpoint" in template
            else:
                denied += 1
                assert seen(answer) == absent, (method, template, role)
        if roles is not access.PUBLIC:
            assert (await api.send(None, method, path)).status_code == 401, (method, template)
    assert denied == sum(len(ROLES) - len(roles) for roles in access.TABLE.values() if roles is not access.PUBLIC)
    assert denied > 40


async def test_a_denial_is_the_same_whatever_else_is_wrong(api: Api) -> None:
    """Bad body, missing key, missing precondition, wrong media type: who may not be here learns none of it."""
    absent = seen(await api.send("intake", "GET", _at("/v1/tips/{tip_id}")))
    for headers in ({"Idempotency-Key": ""}, {"Content-Type": "text/plain"}, {"If-Match": "x"}):
        for method, path in (("POST", "/v1/tips"), ("PUT", "/v1/cases/C-1"), ("PUT", "/v1/recipients/x")):
            answer = await api.send("auditor", method, path, content=b"{", headers=headers)
            assert seen(answer) == absent


async def test_every_refused_unauthenticated_request_says_how_to_come_back(api: Api) -> None:
    """401 names the scheme; two Authorization headers are none."""
    answer = await api.send(None, "GET", "/v1/tips")
    assert answer.headers["www-authenticate"] == "Bearer"
    token = api.tokens["intake"]
    twice = await api.client.get(
        "/v1/tips", headers=[("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
    )
    assert twice.status_code == 401
    assert (await api.client.get("/v1/tips", headers={"Authorization": f"bearer {token}"})).status_code == 200


async def test_an_ended_credential_is_refused_with_its_next_request(api: Api) -> None:
    """No cache stands between an end and its effect."""
    service = api.service
    caller, token = await service.database.write(
        lambda tx: credentials.make(tx, service.desk, OPERATOR, CallerRole.REVIEWER)
    )
    api.tokens["passing"] = token
    assert (await api.send("passing", "GET", "/v1/tips")).status_code == 200
    await service.database.write(lambda tx: credentials.revoke(tx, service.desk, OPERATOR, caller.id))
    assert (await api.send("passing", "GET", "/v1/tips")).status_code == 401


def test_the_table_has_a_row_for_every_route_and_no_other() -> None:
    """A route without a row cannot be built; a row without a route would promise nothing."""
    built = {
        (method, route.path_format)
        for route in iter_route_contexts(assemble().routes)
        for method in route.methods or ()
    }
    assert built == set(access.TABLE)


async def test_a_405_names_every_method_of_the_path(api: Api) -> None:
    """Allow is the union over all routes of a path, and nothing is told about a path that is not."""
    for path, allowed in (
        ("/v1/tips", "GET, POST"),
        ("/v1/recipients/rcp_01KJQH0CC0BX86ENBVMH4TY5PG", "GET, PUT"),
        ("/v1/consents/x/withdraw", "POST"),
        ("/v1/audit/tile/0/x000/001", "GET"),
        ("/healthz", "GET"),
    ):
        for method in ("PATCH", "OPTIONS", "TRACE"):
            answer = await api.send(None, method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert (await api.send(None, "PATCH", "/v1/nothing")).status_code == 404
