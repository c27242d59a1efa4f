"""How the cells of the authorisation table are asked over HTTP, and what each must be answered.

1. A cell is a request: a role, a route, and whose things it is about. Its body is the document's own example, so that
   nothing but the right to ask can be in the way of the denied.
2. Denied is what is absent: status, headers and body as of what does not exist, but for the request's id, the date and
   what is left of the budget. Who may read the log is told how long it is instead.
3. Of a row the denied ask first, so that nothing a permitted one does helps them.
4. Of every route and role that is let in, a credential that was given only other scopes is told that nothing is there.
5. Every request says that a page elsewhere asks; no answer lets that page read it.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from tests.api.calling import MARKER, Api, case
from tests.api.test_access import ABSENT, OF_THE_LOG, seen
from tests.security.authorisation import FIELDS, READS_PEOPLE, TABLE, sayings
from tests.security.furnished import CLIENT_KEY, SCOPES, Things
from tiprouter.api.app import assemble

Route = tuple[str, str]
Rows = Mapping[Route, Mapping[str, str]]

FIRST, SECOND, NOBODYS = range(3)
ELSEWHERE: Final = {"Origin": "https://elsewhere.example"}
OWNERS: Final = ("own", "another's", "nobody's")
_PEOPLE: Final = {(method, route): roles for method, route, *roles in sayings(READS_PEOPLE)}
_FOREIGN: Final = ("recipient_id", "record_id", "disclosure_id", "delivery_id", "inbox_id", "acknowledgement_id")
_EXAMPLES: Final = json.loads(asyncio.run(assemble().state.papers.document()))


@dataclass
class Driven:
    """How many cells were asked, and what was wrong, in words."""

    cells: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass
class Driver:
    """Asks cells of one service."""

    api: Api
    things: Things
    absent: Any

    @classmethod
    async def of(cls, api: Api, things: Things) -> "Driver":
        """A driver that knows what an absent thing looks like."""
        answer = await api.send("intake", "GET", f"/v1/tips/{ABSENT['tip_id']}")
        assert answer.status_code == 404
        return cls(api, things, seen(answer))

    async def drive(self, rows: Rows = TABLE) -> Driven:
        """Every cell of these rows."""
        done = Driven()
        for route, cells in rows.items():
            asked = sorted(
                ((role, owner, letter) for role, letters in cells.items() for owner, letter in enumerate(letters)),
                key=lambda one: one[2] == "+",
            )
            narrowed = [role for role, letters in cells.items() if cells["nobody"][0] == "u" and letters[0] == "+"]
            for role in narrowed:
                await self._cell(done, route, self.narrowed(role, route), (FIRST, "-"))
            for role, owner, letter in asked:
                await self._cell(done, route, role, (owner, letter))
        return done

    async def fields(self) -> list[str]:
        """What is told of a field to a role that is to find null, or not told to one that is to read it."""
        asked: dict[tuple[str, str, str], Any] = {}
        wrong = []
        for method, route, field_, *roles in sayings(FIELDS):
            for role in [role for role, letters in TABLE[method, route].items() if letters[0] == "+"]:
                if (method, route, role) not in asked:
                    asked[method, route, role] = (await self.ask((method, route), role)).json()
                found = [one for one in inside(asked[method, route, role], field_.split(".")) if one is not None]
                if bool(found) is not (role in roles):
                    wrong.append(f"{method} {route} {field_} {role}: {'told' if found else 'not told'}")
        return wrong

    async def ask(self, route: Route, role: str, owner: int = FIRST) -> httpx2.Response:
        """One cell's request."""
        method, template = route
        headers = {"If-Match": '"1"'} | ELSEWHERE
        if template == "/v1/cases/{case_id}" and owner == NOBODYS:
            headers = {"If-None-Match": "*"} | ELSEWHERE
        path = re.sub(r"\{(\w+)\}", lambda match: self.named(match[1], template, owner), template)
        body = self.body(route, owner) if method in {"POST", "PUT"} else None
        return await self.api.send(None if role == "nobody" else role, method, path, body, headers)

    def named(self, name: str, template: str, owner: int) -> str:
        """What a path's parameter is."""
        if owner == NOBODYS:
            return ABSENT[name]
        own = {"/v1/inbox": "inbox_id", "/v1/subject-notices": "subject_notice_id"}
        return self.things.ids[next((own[one] for one in own if template.startswith(one)), name)][owner]

    def body(self, route: Route, owner: int) -> Any:  # noqa: ANN401 - JSON
        """A body that the route takes (rule 1)."""
        ids, about = self.things.ids, owner % 2
        own: dict[str, Any] = {
            "/v1/records/{record_id}/release": {"hold": ids["hold_id"][about]},
            "/v1/bundles/{digest}/approve": {"against": ids["digest"][0], "accept_newly_disclosed": False},
            "/v1/disclosures/{disclosure_id}/acknowledgements": {"status": "accepted"},
            "/v1/inbox/{delivery_id}/ack": {"status": "accepted"},
            "/v1/recipients/{recipient_id}/signing-keys": {"overlap_days": 1},
            "/v1/credentials/{credential_id}/rotate": {"overlap_days": 1},
            "/v1/clients/{client_id}/keys": {"keys": [CLIENT_KEY]},
            "/v1/cases/{case_id}": case(persons=[], statements=[], signaler={"relationship": "other"}),
        }
        return own[route[1]] if route[1] in own else example(route)

    def narrowed(self, role: str, route: Route) -> str:
        """A credential of this role that was given another scope than the route's (rule 4)."""
        method, template = route
        needed = f"{template.removeprefix('/v1/').split('/')[0]}:{'read' if method == 'GET' else 'write'}"
        return f"{role}-narrowed-{next(place for place, one in enumerate(SCOPES[role]) if one != needed)}"

    async def _cell(self, done: Driven, route: Route, role: str, cell: tuple[int, str]) -> None:
        owner = cell[0]
        answer = await self.ask(route, role, owner)
        done.cells += 1
        done.wrong += [
            f"{' '.join(route)}, {role}, {OWNERS[owner]}: {fault}" for fault in self.faults(route, role, answer, cell)
        ]

    def faults(self, route: Route, role: str, answer: httpx2.Response, cell: tuple[int, str]) -> Iterator[str]:
        """What is wrong with an answer."""
        owner, letter = cell
        anonymous = answer.status_code == 401 and "problem:unauthenticated" in answer.text
        grown = OF_THE_LOG.search(route[1]) is not None and "+" in TABLE[route].get(role, "")
        if letter == "-" and grown and not (answer.status_code == 404 and "problem:beyond-log" in answer.text):
            yield f"{answer.status_code} is not how long the log is: {answer.text[:200]}"
        if letter == "-" and not grown and seen(answer) != self.absent:
            yield f"{answer.status_code} is not as what is absent: {answer.text[:200]}"
        if letter == "u" and not anonymous:
            yield f"{answer.status_code} to nobody"
        if letter == "+" and (anonymous or answer.status_code in {403, 404, 405, 429} or answer.status_code >= 500):
            yield f"{answer.status_code} is no way in: {answer.text[:200]}"
        if invited := invitations(answer):
            yield f"another site may read it: {invited}"
        if letter == "+" and owner == FIRST:
            yield from self._told(route, role, answer)

    def _told(self, route: Route, role: str, answer: httpx2.Response) -> Iterator[str]:
        people = role in _PEOPLE.get(route, ())
        if (MARKER in answer.text) is not people:
            yield "tells nothing of people" if people else "tells of people"
        strange = [name for name in _FOREIGN if role == "agency" and self.things.ids[name][SECOND] in answer.text]
        looks = role == "auditor" and not route[1].startswith(
            ("/v1/audit/", "/tile/")
        )  # the log tells every auditor every id
        strange += ["grant_id"] if looks and self.things.ids["grant_id"][SECOND] in answer.text else []
        if strange:
            yield f"tells of another's {', '.join(strange)}"


def invitations(answer: httpx2.Response) -> list[str]:
    """The headers by which an answer lets a page of another site read it (CORS)."""
    return sorted(name for name in answer.headers if name.lower().startswith("access-control-"))


def example(route: Route) -> Any:  # noqa: ANN401 - JSON
    """The document's own example of a route's body; None where there is none."""
    operation = _EXAMPLES["paths"][route[1]][route[0].lower()]
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    named = [one["$ref"] for one in [schema, *schema.get("anyOf", [])] if "$ref" in one]
    shown = _EXAMPLES["components"]["schemas"][named[0].split("/")[-1]].get("examples", [None]) if named else [None]
    return shown[0]


def inside(value: Any, names: list[str]) -> list[Any]:  # noqa: ANN401 - JSON
    """What is at a place of a JSON value, in every item of the lists on the way."""
    if not names or value is None:
        return [value]
    if isinstance(value, list):
        return [found for one in value for found in inside(one, names)]
    return inside(value[names[0]], names[1:])
