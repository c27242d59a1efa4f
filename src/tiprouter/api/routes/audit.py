"""How is the log read and proved? (C2SP tlog-tiles, tlog-checkpoint, tlog-proof)

1. Checkpoint and hash tiles are public: whoever holds them can catch a rewritten history, and they say nothing else.
2. Entries and entry bundles are the auditor's, and each look at them is in the log before it is answered; looks at the
   same 256 entries are folded (`workflow/tally.py`). So a reader of everything adds an entry in 256 to what is read.
3. A hash tile at its width never changes, so it may be kept for ever; a checkpoint is asked for anew each time. An
   entry bundle never changes either, and is not to be kept (`no-store`): a copy in a cache would answer without an
   entry of the log, also whoever uses that cache after the auditor, or after the credential ended. Who verifies the
   log keeps a copy on purpose.
4. A tile that the log is too small for, also one wider than it is yet, is not found, and neither is an entry beyond the
   end: the refusal says how long the log is. A path spelt otherwise is not there.
5. Checkpoint, tiles and entry bundles stand at the root too, where clients of tlog-tiles look for them: the service's
   address is the log's prefix. Both addresses are the same routes, for the same callers.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.office import Office
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.paths import EntryIndex
from tiprouter.api.schemas.audit import COLUMNS, EntryBody, EntryList
from tiprouter.api.schemas.entry_queries import EntryQuery, ProofQuery
from tiprouter.api.tables import FORMS, Form, form_of, stream
from tiprouter.audit.tiles import TILE_WIDTH, Tile, TileError
from tiprouter.errors import NotFoundError
from tiprouter.storage import log_mentions
from tiprouter.workflow import inquiry, log_inquiry, searching

router = APIRouter(route_class=Route, tags=["audit"])

TEXT: Final = "text/plain; charset=utf-8"
BYTES: Final = "application/octet-stream"
_FOREVER: Final = "public, max-age=31536000, immutable"
_NOT_KEPT: Final = "no-cache"


class PlainResponse(Response):
    """Text, for the documentation of what a route answers."""

    media_type = "text/plain"


class BytesResponse(Response):
    """Bytes, likewise."""

    media_type = BYTES


@router.get("/v1/audit/entries", operation_id="listEntries", response_model=EntryList, responses=FORMS)
async def list_entries(
    request: Request, query: Annotated[EntryQuery, Query()], office: Desks, actor: Caller
) -> Response:
    """Entries of the log that match, newest first; or those after an index, oldest first (`before`)."""
    form, sought = form_of(request), query.sought()
    start = query.before if sought.upward else query.after
    if form is Form.JSON:
        page = await office.database.write(
            lambda tx: log_inquiry.page(tx, office.desk, actor, sought, start, query.limit),
            quietly=True,
        )
        items = EntryList(items=tuple(EntryBody.of(one) for one in page.rows))
        following = None if page.following is None else str(page.following)
        return answer_page(visit_of(request), query, items, following, "before" if sought.upward else "after")
    ended = await office.database.write(lambda tx: log_inquiry.taken_away(tx, office.desk, actor, sought), quietly=True)

    async def rest(key: str | None, count: int) -> tuple[tuple[EntryBody, ...], str | None]:
        place = None if key is None else int(key)
        found = await office.database.read(lambda tx: log_mentions.found(tx, ended, place, count))
        rows = tuple(EntryBody.of(one) for one in found.rows)
        return rows, None if found.following is None else str(found.following)

    first = None if start is None else str(start)
    return await stream(form, COLUMNS, rest, first, searching.PAGE, query.limit_named())


@router.get("/v1/audit/entries/{index}", operation_id="readEntry", response_model=EntryBody)
async def read_entry(index: EntryIndex, office: Desks, actor: Caller) -> Response:
    """One entry of the log."""
    row = await office.database.read(lambda tx: inquiry.entry(tx, int(index)))
    await office.tally.read(office.database, office.desk, actor, "entry", (row.index, row.index))
    return Response(EntryBody.of(row).rendered(), 200, None, "application/json")


@router.get("/v1/audit/entries/{index}/proof", operation_id="proveEntry", response_class=PlainResponse)
async def prove_entry(
    index: EntryIndex, query: Annotated[ProofQuery, Query()], office: Desks, actor: Caller
) -> Response:
    """A file that proves, without a network, that the entry stands in the log (c2sp.org/tlog-proof@v1)."""
    place = int(index)
    proof = await office.database.read(lambda tx: inquiry.proof(tx, place, query.size))
    await office.tally.read(office.database, office.desk, actor, "entry.proof", (place, place))
    return Response(proof, 200, None, TEXT)


@router.get("/checkpoint", operation_id="readCheckpointAtRoot", response_class=PlainResponse)
@router.get("/v1/audit/checkpoint", operation_id="readCheckpoint", response_class=PlainResponse)
async def read_checkpoint(office: Desks) -> Response:
    """The newest signed checkpoint of the log."""
    note = await office.database.read(inquiry.checkpoint)
    return Response(note, 200, {"Cache-Control": _NOT_KEPT}, TEXT)


@router.get("/tile/entries/{path:path}", operation_id="readEntryBundleAtRoot", response_class=BytesResponse)
@router.get("/v1/audit/tile/entries/{path:path}", operation_id="readEntryBundle", response_class=BytesResponse)
async def read_bundle(path: str, office: Desks, actor: Caller) -> Response:
    """Up to 256 entries of the log."""
    bundle, entries = await _tile(office, f"tile/entries/{path}")
    await office.tally.read(office.database, office.desk, actor, "entry-bundle", entries)
    return Response(bundle, 200, None, BYTES)


@router.get("/tile/{level}/{path:path}", operation_id="readTileAtRoot", response_class=BytesResponse)
@router.get("/v1/audit/tile/{level}/{path:path}", operation_id="readTile", response_class=BytesResponse)
async def read_tile(level: str, path: str, office: Desks) -> Response:
    """Up to 256 hashes of the log's tree."""
    if level == "entries":
        raise NotFoundError
    tile, _ = await _tile(office, f"tile/{level}/{path}")
    return Response(tile, 200, {"Cache-Control": _FOREVER}, BYTES)


async def _tile(office: Office, path: str) -> tuple[bytes, tuple[int, int]]:
    """A tile, and the first and the last that it is of."""
    try:
        wanted = Tile.parse(path)
    except TileError:
        raise NotFoundError from None
    first = wanted.index * TILE_WIDTH
    return await office.database.read(lambda tx: inquiry.tile(tx, wanted)), (first, first + wanted.width - 1)
