"""A bundle under a grant, over HTTP: what the log committed to is opened to its holder, and to nobody else."""

import base64
import json
from datetime import timedelta

from tests.api.calling import Api
from tests.support.fictional import SECRET
from tests.support.giving import another, give
from tests.support.granting import matter, police
from tests.support.second_words import agree
from tiprouter.audit.matter_bundle import OPENINGS, unpack
from tiprouter.audit.matter_verify import verify_bundle
from tiprouter.domain.redaction import stamp
from tiprouter.workflow.credentials import CallerRole


async def test_a_bundle_under_a_grant_opens_what_the_log_commits_to(either: Api) -> None:
    """Four people agreed: two opened the matter, one asked to export it and another said yes."""
    service = either.service
    record_id = await matter(service, await police(service))
    until = stamp(service.clock.at + timedelta(days=7))
    asked = {"record": record_id, "until": until, "reason": "Example reason."}
    grant_id = (await either.send("auditor", "POST", "/v1/grants", asked)).json()["id"]
    await agree(either, "auditor", "reviewer", "export", record_id)
    await service.check_house()
    path = f"/v1/matters/{record_id}/audit-bundle?grant={grant_id}"
    assert (await either.send("auditor", "GET", path)).status_code == 404
    for role in ("reviewer", "counsel"):
        assert (await either.send(role, "POST", f"/v1/grants/{grant_id}/approve")).status_code == 200
    answer = await either.send("auditor", "GET", path)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    files = unpack(answer.content)
    assert verify_bundle(files, service.signer.vkey, service.clock.at).ok
    told = [one["opening"] for one in json.loads(files[OPENINGS])["openings"]]
    assert SECRET in "".join(base64.urlsafe_b64decode(one + "==").decode() for one in told)
    _, either.tokens["auditor-two"] = await give(service, CallerRole.AUDITOR, by=another("auditor-two"))
    for role in ("auditor-two", "reviewer"):
        assert (await either.send(role, "GET", path)).status_code == 404


async def test_a_grant_that_is_none_is_refused(api: Api) -> None:
    """Before anything is looked at, and nothing is echoed."""
    answer = await api.send("auditor", "GET", "/v1/matters/tip_01KJQH0CC0BX86ENBVMH4TY5PA/audit-bundle?grant=Example")
    assert answer.status_code == 422
    assert "Example" not in answer.text
