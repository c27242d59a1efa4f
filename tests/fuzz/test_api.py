"""Does the service keep to its own document, whatever each role sends? (`python -m tests.fuzz.api` sends more)"""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from tests.api.calling import running
from tests.fuzz.api import WHO, fuzz, renewal, table
from tests.fuzz.calls import Caller, Told, call, operations
from tests.support.service import open_service
from tiprouter.api import documentation, reasons
from tiprouter.workflow import credentials

CASES, SEED = 10, 7


async def called(folder: Path, role: str, only: str, cases: int) -> Told:
    """What came of calling as this role."""
    return await fuzz(folder, [role], cases, SEED, only)


async def test_whatever_anybody_sends_is_answered_as_documented(tmp_path: Path) -> None:
    """Rules 1 to 3 of `calls.py`, each role in turn; the log verifies afterwards."""
    told = await fuzz(tmp_path, list(WHO), CASES, SEED)
    assert set(told.statuses) == set(WHO)
    assert told.findings == [], table(told)


async def test_an_error_that_nobody_expected_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a route that breaks."""
    monkeypatch.setattr(credentials, "listed", lambda *_, **__: 1 / 0)
    told = await called(tmp_path, "operator", "GET /v1/credentials", 4)
    assert any("answered 500" in one.said for one in told.findings)


async def test_a_status_that_the_document_leaves_out_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: that an API key has no session to show was once not said."""
    monkeypatch.setattr(documentation, "_MAY_CONFLICT", frozenset())
    told = await called(tmp_path, "auditor", "GET /v1/session", 4)
    assert any("409: Undocumented" in one.said for one in told.findings)


async def test_a_body_of_another_shape_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the document promises of a problem what no problem has."""
    monkeypatch.setitem(documentation.PROBLEM_SCHEMA, "required", ["colour"])
    told = await called(tmp_path, "auditor", "GET /v1/session", 4)
    assert any("violates schema" in one.said for one in told.findings)


async def test_a_refusal_that_repeats_what_was_sent_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: what is wrong with a field is told with what stood in it."""

    def told_with_input(found: Any) -> list[dict[str, str]]:  # noqa: ANN401 - pydantic's errors
        return [{"pointer": "/", "reason": f"{one['loc']} {one.get('input')}"} for one in found]

    monkeypatch.setattr(reasons, "told", told_with_input)
    told = await called(tmp_path, "operator", "POST /v1/credentials", 16)
    assert any("repeats what was sent" in one.said for one in told.findings)


async def test_whose_credential_was_ended_is_heard_again(tmp_path: Path) -> None:
    """Rule 4: what is asked with a credential that no longer counts is no case, and the next one is heard."""
    told = Told()
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service, running(service) as api:
        document = (await api.client.get("/openapi.json")).json()
        chosen = [one for one in operations(document)["counsel"] if one.label == "GET /v1/bundles"]
        renewed = renewal(api, "counsel", "")
        caller = Caller("counsel", "tr_ended", f"http://127.0.0.1:{api.port}", told, random.Random(SEED), renewed)  # noqa: S311
        with caller.session:
            await asyncio.to_thread(call, caller, chosen, 6, SEED)
    assert told.unheard["counsel"] == 1
    assert told.statuses["counsel"][200] > 0
    assert told.statuses["counsel"][401] == 0
