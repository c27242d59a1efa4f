"""One run: a house, everything that happens in it, and what is found when it is over."""

import resource
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.support.markers import places
from tests.support.markers.client import Client
from tests.support.markers.crashes import everything_breaks
from tests.support.markers.flows import IDS_ONLY, WRAPPED, Flows
from tests.support.markers.house import House, house, wait
from tests.support.markers.opened import Opened, opened
from tests.support.markers.outside import ANSWERED, Outside, kind_of, letters, outside
from tests.support.markers.places import Search, Watch
from tests.support.markers.refusals import refused
from tests.support.markers.sowing import Sowing
from tiprouter import wiring
from tiprouter.storage.columns import metadata
from tiprouter.workflow.publish import bring_up

AUDITED = ("GET /v1/decisions", "GET /v1/disclosures", "GET /v1/deliveries", "GET /v1/duties", "GET /v1/audit/entries")
EVERYBODY = ("GET /checkpoint", "GET /tile/entries/{}", "GET /openapi.json", "GET /docs", "GET /healthz", "GET /readyz")


@dataclass
class Found:
    """What a run came to."""

    sowing: Sowing = field(default_factory=Sowing)
    search: Search = field(default_factory=Search)
    opened: Opened = field(default_factory=Opened)
    client: Client = field(default_factory=lambda: Client("", {}))
    broke: dict[str, int] = field(default_factory=dict)
    purposes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0

    @property
    def wrong(self) -> list[str]:
        """Every leak, every marker that did not become what it must, and every place where the run was blind."""
        told = [f"{place}: {name}: {form}" for place, name, form in self.search.hits]
        told += [f"{what}: {form}" for what, form in self.client.leaks]
        return told + list(self.sowing.astray(self.opened.where)) + list(self._blind())

    def _blind(self) -> Iterator[str]:
        sealed = {table.name for table in metadata.tables.values() if "sealed" in table.columns}
        keys = {"signing_keys", "secrets"}
        for table in sorted(sealed):
            held = self.opened.values if table in keys else self.opened.holding
            if not held[table]:
                yield f"nothing of this run is sealed in {table}: the run is blind there"
        for table in self.opened.closed:
            yield f"a sealed value of {table} does not open"
        for place, seen in self.search.places.items():
            if not seen.searched and place not in {places.TEMPORARY, places.CORES}:
                yield f"nothing was searched of {place}: the run is blind there"
        if not self.purposes.get("disclosures to their recipients"):
            yield "no marker was disclosed to anybody: the run is blind"


def run(folder: Path, kind: str, markers: int) -> Found:
    """Everything, on a new database of this kind, in this folder."""
    found, began = Found(), _spent()
    with ExitStack() as stack:
        out = stack.enter_context(outside(found.sowing))
        it = stack.enter_context(house(folder, kind, out))
        found.client = client = Client(it.url, it.tokens)
        stack.callback(client.http.close)
        with Watch(it, found.search):
            flows = Flows(it, out, client, found.sowing)
            flows.everything()
            refused(flows, client, found.sowing)
            flows.more(markers)
            out.calm = False
            assert wait(lambda: _settled(it, found), 60), "what endpoints answered was not written down"
            found.broke = everything_breaks(flows)
            _opened(it, found)
            flows.erase()
            _looked_at(flows, found)
            _searched(it, found)
            it.stop()
            _searched(it, found)
        _sent(out, found)
    found.seconds = _spent() - began
    return found


def _spent() -> float:
    """Seconds of CPU of this process and of those that it started and saw end; a server's own are not among them."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _settled(it: House, found: Found) -> bool:
    """Whether all that endpoints answered so far is written down."""
    _opened(it, found)
    return not any(f"({ANSWERED})" in one for one in found.sowing.astray(found.opened.where))


def _opened(it: House, found: Found) -> None:
    async def read(rooms: wiring.House) -> Opened:
        return await rooms.database.read(lambda tx: opened(tx, rooms.desk.vault))

    found.opened.add(it.inside(read))
    found.search.keys = found.opened.keys


def _looked_at(flows: Flows, found: Found) -> None:
    """What is told to auditors and to everybody; bundles of a matter, with a grant and without; metrics."""
    client, it = flows.client, flows.house
    for role in ("auditor", "counsel", "operator", "nobody"):
        for route in (*AUDITED, *EVERYBODY):
            client.send(role, route, "000")
    _exported(it)
    for under, query in (("", ""), (" under a grant", f"?grant={flows.grant}")):
        body = {"act": "export", "subject": flows.records[0]}
        word = client.told("auditor", "POST /v1/second-words", body=body)["id"]
        client.told("reviewer", "POST /v1/second-words/{}/say", word)
        route = "GET /v1/matters/{}/audit-bundle"
        client.told("auditor", route, flows.records[0], query=query, under=under)
    for part in it.parts:
        url = f"http://127.0.0.1:{part.settings['TIPROUTER_METRICS_PORT']}/metrics"
        found.search.look(places.METRICS, [(part.kind, httpx2.get(url, trust_env=False).content)])


def _exported(it: House) -> None:
    wait((it.log / "checkpoint").exists, 10)

    async def story(rooms: wiring.House) -> None:
        await bring_up(rooms.database, it.folder / "export", rooms.signer.vkey)

    it.inside(story)


def _searched(it: House, found: Found) -> None:
    for place, files in places.files_of(it):
        found.search.look(place, files)
    found.search.look(places.ROWS, places.rows(it))
    found.search.look(places.BACKUP, places.backup(it))


def _sent(out: Outside, found: Found) -> None:
    """What was sent: what is for its recipient is counted, all else is searched."""
    for_them = [one for one in out.came if one.tells_of_people]
    found.purposes["disclosures to their recipients"] = sum(b"Zq7MarkerQz" in one.body for one in for_them)
    for one in out.came:
        place = {IDS_ONLY: "webhooks of ids", WRAPPED: "encrypted webhooks", "page": "pages by webhook"}.get(one.way)
        found.search.look("heads of webhooks", [(one.way, one.head)])
        if place is not None or not one.tells_of_people:
            found.search.look(place or f"webhooks: {kind_of(one.body)}", [(one.way, one.body)])
    found.search.look("pages by mail", [("mail", letters(out.post))])
