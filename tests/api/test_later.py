"""Does a start wait for what nobody asked yet, and does anybody who asks see a difference?

Rules of `api/later.py` and `api/warming.py`, rule 4 of `api/body.py` and of `api/app.py`, rule 6 of `schemas/words.py`.
"""

import asyncio
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

import tiprouter
from tests.api import calling
from tests.api.calling import Api
from tiprouter.api import access, nouns
from tiprouter.api.app import build
from tiprouter.api.body import Route
from tiprouter.api.later import Later
from tiprouter.api.routes.paths import TipId
from tiprouter.api.schemas.words import Message, messages
from tiprouter.api.warming import warm

NOT_AT_A_START = (
    "alembic",
    "tiprouter.api.nouns",
    "tiprouter.api.routes.cases",
    "tiprouter.api.schemas.webhooks",
    "tiprouter.api.webhooks",
)


class Fresh(Message):
    """A message that nothing has read or made."""

    word: str


@pytest.fixture
def apps(monkeypatch: pytest.MonkeyPatch) -> list[FastAPI]:
    """The applications that are made while the test runs."""
    made: list[FastAPI] = []

    def kept(office: Any) -> FastAPI:  # noqa: ANN401 - handed on as it came
        made.append(build(office))
        return made[-1]

    monkeypatch.setattr(calling, "build", kept)
    return made


def waiting(app: FastAPI) -> bool:
    """Whether its nouns are still to come."""
    return any(isinstance(route, Later) for route in app.routes)


def fresh(calls: list[str]) -> Route:
    """A route that nothing has asked for yet; it says when it is built."""

    class Told(Route):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            calls.append(threading.current_thread().name)
            return super().get_route_handler()

    async def revise(tip_id: TipId, body: Fresh) -> Response:
        return Response(tip_id + body.word)

    return Told("/v1/cases/{case_id}", revise, methods=["PUT"])


async def test_what_is_nobodys_and_what_takes_tips_loads_nothing(apps: list[FastAPI], api: Api) -> None:
    """Strangers who ask for anything at all, and tips, leave the other nouns where they are."""
    assert (await api.send(None, "GET", "/nothing")).status_code == 404
    assert (await api.send(None, "POST", "/v1/tips", {})).status_code == 401
    assert (await api.send("intake", "POST", "/v1/tips", {})).status_code == 422
    assert (await api.send(None, "GET", "/healthz")).status_code == 200
    assert waiting(apps[0])


async def test_a_noun_that_is_not_there_yet_answers_as_if_it_were(apps: list[FastAPI], api: Api) -> None:
    """The first to ask is answered by the noun itself, with its refusals; then all are there, in their order."""
    answer = await api.send("intake", "DELETE", "/v1/cases/C-1")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PUT")
    assert not waiting(apps[0])
    assert apps[0].routes == [route for noun in nouns.NOUNS for route in noun.router.routes]
    assert (await api.send(None, "GET", "/healthz")).status_code == 200


async def test_many_who_ask_at_once_are_all_answered(apps: list[FastAPI], api: Api) -> None:
    """One loads the nouns, the others wait for them."""
    asked = [api.send("operator", "GET", path) for path in ("/v1/recipients", "/v1/duties", "/healthz", "/v1/tips") * 5]
    assert {answer.status_code for answer in await asyncio.gather(*asked)} <= {200, 404}
    assert len(apps[0].routes) == sum(len(noun.router.routes) for noun in nouns.NOUNS)


async def test_after_the_start_everything_is_built(apps: list[FastAPI], api: Api) -> None:
    """Who comes later waits for nothing: every route and every message is built, and the service answered meanwhile."""
    warming = asyncio.create_task(warm(apps[0]))
    assert (await api.send(None, "GET", "/healthz")).status_code == 200
    await warming
    assert [route for route in apps[0].routes if not getattr(route, "_built", False)] == []
    assert [message for message in messages() if not message.__pydantic_complete__] == []


async def test_a_stop_ends_the_building(apps: list[FastAPI], api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """After what is being built nothing more is begun."""
    begun: list[str] = []
    held, go = threading.Event(), threading.Event()

    def slow(route: Route) -> None:
        begun.append(route.path)
        held.set()
        go.wait(30)

    monkeypatch.setattr(Route, "build", slow)
    warming = asyncio.create_task(warm(apps[0]))
    assert await asyncio.to_thread(held.wait, 30)
    warming.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await warming
    await asyncio.sleep(0.2)  # what would go on has begun by then; what does not, never fails here
    assert begun == ["/v1/tips"]


def test_a_route_is_built_once_for_all_who_ask() -> None:
    """Eight threads ask at the same moment; one builds, and every one has what it built."""
    calls: list[str] = []
    route, together = fresh(calls), threading.Barrier(8)
    found: list[object] = []

    def ask() -> None:
        together.wait(30)
        found.append(route.app)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(calls) == 1
    assert found == [route.app] * 8


def test_what_a_route_is_at_is_known_before_it_is_built() -> None:
    """Matching builds nothing; what no route has is still not there; without a row in the table there is no route."""
    calls: list[str] = []
    route = fresh(calls)
    scope = {"type": "http", "method": "PUT", "path": "/v1/cases/C-1", "headers": []}
    assert route.matches(scope)[0].name == "FULL"
    assert calls == []
    assert not hasattr(route, "nothing_has_this")
    with pytest.raises(KeyError):
        Route("/v1/nothing", lambda: None)


def test_a_message_is_built_when_the_first_is_made() -> None:
    """Until then there is its declaration alone; a message that is made is one of the built kind, and as strict."""

    class Unread(Message):
        word: str

    before = Unread.__pydantic_complete__
    assert Unread(word="Example").rendered() == b'{"word":"Example"}'
    assert (before, Unread.__pydantic_complete__) == (False, True)
    with pytest.raises(ValueError, match="extra_forbidden"):
        Unread.model_validate({"word": "Example", "other": 1})


def test_a_built_route_has_nothing_left_to_build() -> None:
    """Its body is read without building more, and the framework's warning of its own aliases does not reach anybody."""
    route = fresh([])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        route.build()
        field = route.body_field
        assert field is not None
        assert field._type_adapter.pydantic_complete  # noqa: SLF001 - there is no other way to see it
        assert field.validate({"word": "Example"}) == (Fresh(word="Example"), [])


def test_a_start_loads_no_more_than_it_needs() -> None:
    """The nouns, the document's own messages and the migrations are not among what `serve` imports."""
    code = f"import sys, tiprouter.cli.service; print(*(name for name in {NOT_AT_A_START} if name in sys.modules))"
    source = {"PYTHONPATH": str(Path(tiprouter.__file__).parents[1])}
    found = subprocess.run(  # noqa: S603 - our own words to our own Python
        [sys.executable, "-c", code], env=os.environ | source, capture_output=True, check=True, text=True, timeout=300
    )
    assert found.stdout.split() == []


def test_the_faults_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `Later` that knows every path, or none, is not one."""
    known = {"type": "http", "path": "/v1/cases/C-1"}
    stood = Later(FastAPI())
    assert stood.matches(known)[0].name == "FULL"
    assert stood.matches({"type": "http", "path": "/v1/casess"})[0].name == "NONE"
    monkeypatch.setattr(access, "methods_at", lambda path: [])
    assert stood.matches(known)[0].name == "NONE"
