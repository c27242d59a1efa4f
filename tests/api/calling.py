"""How tests call the service: by role, over a real socket, with a fresh Idempotency-Key for each write."""

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network
from typing import Any

import httpx2
import uvicorn

from tests.support.giving import another, give
from tests.support.service import OPERATOR, START, Service
from tiprouter.api.app import build
from tiprouter.api.office import Office
from tiprouter.api.patience import Patience, patient
from tiprouter.domain.redaction import stamp
from tiprouter.settings import Settings
from tiprouter.storage.columns import metadata
from tiprouter.workflow.credentials import CallerRole

MARKER = "Zyxwv-Marker-Secret"
BODY_BYTES_MAX: int = Settings.model_fields["body_bytes_max"].default
ROLES = tuple(CallerRole)
_TRUSTING_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""All of it is plain HTTP on loopback: to read the world's authorities was a tenth of what a short test costs."""


@dataclass
class Api:
    """A running service and one client for it."""

    service: Service
    office: Office
    client: httpx2.AsyncClient
    port: int
    tokens: dict[str, str]
    keys: "itertools.count[int]" = field(default_factory=itertools.count)

    async def send(
        self,
        role: str | None,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx2.Response:
        """One request; a header given as the empty text is left out."""
        sent = {} if role is None else {"Authorization": f"Bearer {self.tokens[role]}"}
        if method in {"POST", "PUT"}:
            sent["Idempotency-Key"] = f"test-{next(self.keys)}"
        if content is not None:
            sent["Content-Type"] = "application/json"
        sent |= dict(headers or {})
        sent = {name: value for name, value in sent.items() if value}
        if content is not None:
            return await self.client.request(method, path, content=content, headers=sent)
        return await self.client.request(method, path, json=body, headers=sent)

    async def counts(self) -> dict[str, int]:
        """How many rows each table has."""
        return {
            table.name: (await self.service.rows(f"SELECT count(*) FROM {table.name}"))[0][0]  # noqa: S608 - our names
            for table in metadata.sorted_tables
        }


class PromptServer(uvicorn.Server):
    """The real server, which looks every few milliseconds rather than ten times a second whether it should stop."""

    async def main_loop(self) -> None:
        """Serve until told to stop."""
        await self.on_tick(0)
        await until(lambda: self.should_exit, seconds=7_200)


@asynccontextmanager
async def running(
    service: Service,
    troubles: list[str] | None = None,
    patience: Patience | None = None,
    proxies: tuple[IPv4Network, ...] = (),
) -> AsyncIterator[Api]:
    """The edge of a service on a free port, with one credential for each role of the staff, each another person's."""
    tokens = {}
    for role in set(ROLES) - {CallerRole.AGENCY}:
        by = OPERATOR if role is CallerRole.OPERATOR else another(f"who_gave_the_{role}")
        tokens[role.value] = (await give(service, role, by=by))[1]
    patience = patience or Patience()
    office = Office(
        service.database,
        service.desk,
        BODY_BYTES_MAX,
        lambda: list(troubles or ()),
        patience,
        trusted_proxies=proxies,
    )
    config = uvicorn.Config(
        build(office),
        port=0,
        http=patient(patience),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
    )
    server = PromptServer(config)
    serving = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        base = f"http://127.0.0.1:{port}"
        async with httpx2.AsyncClient(base_url=base, trust_env=False, verify=_TRUSTING_NOBODY, timeout=60) as client:
            yield Api(service, office, client, port, tokens)
    finally:
        server.should_exit = server.force_exit = True
        await serving


async def with_agency(api: Api, name: str, recipient_id: str) -> None:
    """Give an agency a credential, by `name`."""
    api.tokens[name] = (await give(api.service, CallerRole.AGENCY, recipient_id))[1]


async def until(so: Callable[[], object], seconds: float = 5) -> None:
    """Wait until something is so."""
    for _ in range(int(seconds / 0.005)):
        if so():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


def at(**ago: float) -> str:
    """A time before the tests' clock, as a message spells it."""
    return stamp(START - timedelta(**ago))


def tip(external_id: str = "T-1", **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A fictional tip."""
    body: dict[str, Any] = {
        "source": "hotline-example",
        "external_id": external_id,
        "signaled_at": at(minutes=10),
        "received_at": at(minutes=5),
        "channel": "phone",
        "language": "en",
        "signaler": {"relationship": "self", "wish": "unstated", "ref": "p1"},
        "exploitation": ["ForcedLabour"],
        "jurisdictions": [{"code": "US-TX", "reason": "found", "county": "48201"}],
        "persons": [
            {
                "ref": "p1",
                "role": "potential_victim",
                "age": {"years": 29},
                "guardians": [],
                "identity": {"first_name": "Example", "second_name": "Person"},
                "contact": {"phone": "+1-555-0100", "safe_channel": "text"},
            }
        ],
        "statements": [
            {"text": "Example text about nobody.", "persons": ["p1"], "category": "incident"},
            {"text": "An unlabelled text."},
        ],
        "violence": {"immediate": "no", "escalating": "no", "perceived": "unknown", "observed_at": None},
    }
    return body | changes


def case(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A fictional case record."""
    body = tip(**changes) | {"status": "Active", "tips": []}
    del body["external_id"]
    return body


def agency(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A fictional agency of police in Texas."""
    body: dict[str, Any] = {
        "name": "Example Police",
        "kind": "law_enforcement",
        "jurisdictions": ["US-TX"],
        "counties": [],
        "url": "https://police.example/hook",
        "signature_scheme": "v1a",
        "status": "active",
        "agreement_until": at(days=-365),
    }
    return body | changes


AUNT = {"relationship": "aunt", "attested_by": "Example Advocate", "attested_at": at(hours=1)}
"""A guardian who consents, and whose word it is that nothing implicates her."""


def grant(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A fictional grant to police, by the person of `tip`."""
    body: dict[str, Any] = {
        "person": {"source": "hotline-example", "ref": "p1"},
        "choice": "grant",
        "grantor": "self",
        "recipients": [],
        "kinds": ["law_enforcement"],
        "purposes": ["investigation"],
        "categories": ["incident", "identity"],
        "method": "verbal",
        "informed": True,
        "given_at": at(hours=1),
        "valid_from": at(hours=1),
        "expires_at": at(days=-30),
    }
    if changes.get("grantor", "self") != "self":
        body |= {"guardian_implicated": "no", "guardian": AUNT}
    return body | changes
