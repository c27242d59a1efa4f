"""Against which revision was a change made?"""

from tests.api.calling import Api, agency, case, grant


async def test_a_case_is_created_once_and_revised_in_turn(api: Api) -> None:
    """201, 200 against the ETag that was read, 412 for whoever read an older one or would create it again."""
    assert (await api.send("intake", "PUT", "/v1/cases/C-1", case(), {"If-Match": '"1"'})).status_code == 412
    created = await api.send("intake", "PUT", "/v1/cases/C-1", case(), {"If-None-Match": "*"})
    assert (created.status_code, created.json()["revision"]) == (201, 1)
    etag = (await api.send("intake", "GET", "/v1/cases/C-1")).headers["etag"]
    assert etag == '"1"'
    revised = await api.send("intake", "PUT", "/v1/cases/C-1", case(language="es"), {"If-Match": etag})
    assert (revised.status_code, revised.json()["revision"]) == (200, 2)
    before = await api.counts()
    for headers in ({"If-Match": etag}, {"If-None-Match": "*"}):
        stale = await api.send("intake", "PUT", "/v1/cases/C-1", case(language="fr"), headers)
        assert (stale.status_code, stale.json()["type"]) == (412, "urn:tiprouter:problem:stale")
    assert await api.counts() == before
    found = await api.send("intake", "GET", "/v1/cases/C-1")
    assert (found.headers["etag"], found.json()["record"]["language"]) == ('"2"', "es")


async def test_a_recipient_changes_against_the_revision_that_was_read(api: Api) -> None:
    """428 without If-Match, 412 against an older revision, 200 against the current one."""
    path = f"/v1/recipients/{(await api.send('operator', 'POST', '/v1/recipients', agency())).json()['id']}"
    assert (await api.send("operator", "PUT", path, agency())).status_code == 428
    etag = {"If-Match": (await api.send("operator", "GET", path)).headers["etag"]}
    changed = await api.send("operator", "PUT", path, agency(status="suspended"), etag)
    assert (changed.status_code, changed.json()["revision"], changed.json()["status"]) == (200, 2, "suspended")
    assert (await api.send("operator", "PUT", path, agency(), etag)).status_code == 412
    other = await api.send("operator", "PUT", path, agency(signature_scheme="v1"), {"If-Match": '"2"'})
    assert other.json()["errors"][0]["pointer"] == "/signature_scheme"
    absent = "/v1/recipients/rcp_01KJQH0CC0BX86ENBVMH4TY5PG"
    assert (await api.send("operator", "PUT", absent, agency(), etag)).status_code == 404


async def test_a_withdrawal_may_name_the_revision_it_was_meant_for(api: Api) -> None:
    """A stale If-Match is 412 and withdraws nothing; the current one, or none, withdraws."""
    made = (await api.send("intake", "POST", "/v1/consents", grant())).json()
    path = f"/v1/consents/{made['id']}"
    assert (await api.send("intake", "POST", f"{path}/withdraw", headers={"If-Match": '"2"'})).status_code == 412
    found = await api.send("intake", "GET", path)
    assert (found.headers["etag"], found.json()["withdrawn_at"]) == ('"1"', None)
    done = await api.send("intake", "POST", f"{path}/withdraw", {}, {"If-Match": '"1"'})
    assert (done.status_code, done.json()["revision"]) == (200, 2)
    assert (await api.send("intake", "GET", path)).headers["etag"] == '"2"'
