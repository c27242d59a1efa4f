"""What breaks while words come in: processes, statements, seals, the disk. Words that came meanwhile are kept or not.

1. A process is killed with requests under way, and with attempts at endpoints that take their time.
2. A process ends as a defect in a library would end it, where the system may write down its memory.
3. A statement fails in the database, whose own message quotes the row; a seal does not open; a disk is full.
4. The database's server ends without a shutdown.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
import sqlalchemy as sa

from tests.support.disks import fill, free
from tests.support.markers.bodies import in_danger, told
from tests.support.markers.client import Client
from tests.support.markers.flows import Flows
from tests.support.markers.house import House, Watched
from tests.support.markers.sowing import Mark, Sowing
from tiprouter import wiring
from tiprouter.storage.tables import revisions

SERVER_ERROR, GONE = 500, 0
_ON_SQLITE = (
    ("CREATE TRIGGER planted BEFORE INSERT ON revisions BEGIN SELECT RAISE(ABORT, 'planted'); END",),
    ("DROP TRIGGER planted",),
)
_ON_POSTGRESQL = (
    (
        """CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'planted: %', NEW USING DETAIL = NEW::text; END $$""",
        "CREATE TRIGGER planted BEFORE INSERT ON revisions FOR EACH ROW EXECUTE FUNCTION planted()",
    ),
    ("DROP TRIGGER planted ON revisions", "DROP FUNCTION planted()"),
)
"""What makes a statement fail, and what lets it be."""


def everything_breaks(flows: Flows) -> dict[str, int]:
    """One of each; what happened, and how many requests were asked meanwhile."""
    house, client, sowing = flows.house, flows.client, flows.sowing
    happened = {
        "a statement fails": _failing(house, client, sowing),
        "a seal does not open": _unsealed(house, client, flows.records[1]),
    }
    if house.disk is not None:
        happened["the disk is full"] = _full(house, client, sowing)
    for part in house.parts:
        happened[f"SIGKILL of the {part.kind}"] = _meanwhile(house, client, sowing, part, part.kill)
    happened["SIGABRT"] = _meanwhile(house, client, sowing, house.edge, house.edge.abort)
    if house.server is not None:
        happened["the server ends"] = _meanwhile(house, client, sowing, house.edge, house.server.crash)
    return happened


def _meanwhile(house: House, client: Client, sowing: Sowing, part: Watched, end: Callable[[], None]) -> int:
    """Rules 1, 2 and 4: several callers tell, a part ends, and all of it stands up again."""
    mark, asked, ending = sowing.open(f"tips while {part.kind} ends"), [0], threading.Event()

    def tell() -> None:
        while not ending.is_set():
            asked[0] += 1
            try:
                client.send("intake", "POST /v1/tips", body=in_danger(mark), timeout=10)
            except httpx2.HTTPError:
                return

    callers = [threading.Thread(target=tell) for _ in range(3)]
    for one in callers:
        one.start()
    ending.wait(0.4)
    end()
    ending.set()
    for one in callers:
        one.join()
    house.start()
    return asked[0]


def _failing(house: House, client: Client, sowing: Sowing) -> int:
    """Rule 3: nothing of it may be kept."""
    fail, let_be = _ON_POSTGRESQL if house.database else _ON_SQLITE
    _executed(house, fail)
    mark = sowing.refused("tips while a statement fails")
    for _ in range(3):
        status = client.refused("intake", "POST /v1/tips", body=told(mark))
        assert status >= SERVER_ERROR, status
    _executed(house, let_be)
    return 3


def _unsealed(house: House, client: Client, record_id: str) -> int:
    """Rule 3: a byte of a sealed value was changed on disk; afterwards it is as it was."""
    with _changed(house, record_id):
        status = client.refused("reviewer", "GET /v1/tips/{}", record_id)
        assert status >= SERVER_ERROR, status
    return 1


@contextmanager
def _changed(house: House, record_id: str) -> Iterator[None]:
    mine = revisions.c.record_id == record_id

    async def turn(rooms: wiring.House) -> None:
        def story(tx: sa.Connection) -> None:
            for row in tx.execute(sa.select(revisions.c.number, revisions.c.sealed).where(mine)).all():
                other = row.sealed[:-1] + bytes([row.sealed[-1] ^ 1])
                tx.execute(revisions.update().where(mine, revisions.c.number == row.number).values(sealed=other))

        await rooms.database.write(story)

    house.inside(turn)
    yield
    house.inside(turn)


def _full(house: House, client: Client, sowing: Sowing) -> int:
    """Rule 3: the embedded database's disk has not a byte left; then it has, and the service goes on."""
    assert house.disk is not None
    mark = sowing.open("tips on a full disk")
    fill(house.disk)
    statuses = [_status(client, mark) for _ in range(12)]
    free(house.disk)
    assert {*statuses} & {GONE, *range(SERVER_ERROR, 600)}, statuses
    house.edge.kill()  # it may be stopping by itself, as it could not keep the log
    house.start()
    client.told("intake", "POST /v1/tips", body=told(sowing.kept("POST /v1/tips", "revisions")))
    return len(statuses)


def _status(client: Client, mark: Mark) -> int:
    try:
        return client.send("intake", "POST /v1/tips", body=told(mark), timeout=10).status_code
    except httpx2.HTTPError:
        return GONE


def _executed(house: House, statements: tuple[str, ...]) -> None:
    async def run(rooms: wiring.House) -> None:
        def story(tx: sa.Connection) -> None:
            for one in statements:
                tx.exec_driver_sql(one)

        await rooms.database.write(story)

    house.inside(run)
