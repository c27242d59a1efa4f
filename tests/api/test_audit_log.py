"""Can an outsider read and prove the log over HTTP?"""

import base64

import pytest

from tests.api.calling import Api, tip
from tests.api.test_access import seen
from tiprouter.api.routes.audit import read_tile
from tiprouter.audit.checkpoint import open_checkpoint
from tiprouter.audit.note import Verifier
from tiprouter.audit.proof import Proof, verify_proof
from tiprouter.audit.tiles import ENTRIES, decode_bundle, tiles_for
from tiprouter.errors import NotFoundError


async def test_a_stranger_holds_the_log_and_an_auditor_proves_an_entry(api: Api) -> None:
    """Checkpoint and hash tiles for everybody; entries, bundles and proofs that verify for the auditor."""
    assert (await api.send("intake", "POST", "/v1/tips", tip())).status_code == 201
    await api.service.sequencer.drain()
    note = await api.send(None, "GET", "/v1/audit/checkpoint")
    assert note.headers["content-type"] == "text/plain; charset=utf-8"
    assert note.headers["cache-control"] == "no-cache"
    key = Verifier.from_vkey(api.service.signer.vkey)
    size = open_checkpoint(note.content, key).checkpoint.size
    for tile in tiles_for(size):
        who = "auditor" if tile.level == ENTRIES else None
        answer = await api.send(who, "GET", f"/v1/audit/{tile.path}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
        assert ("immutable" in answer.headers["cache-control"]) == (tile.level != ENTRIES)
    bundle = await api.send("auditor", "GET", f"/v1/audit/tile/entries/000.p/{size}")
    entries = decode_bundle(bundle.content, size)
    for index in range(size):
        found = (await api.send("auditor", "GET", f"/v1/audit/entries/{index}")).json()
        assert base64.b64decode(found["bytes"]) == entries[index]
        proof = await api.send("auditor", "GET", f"/v1/audit/entries/{index}/proof")
        assert proof.headers["content-type"] == "text/plain; charset=utf-8"
        verify_proof(Proof.parse(proof.content), entries[index], key)


async def test_nobody_gets_an_entry_by_another_spelling_of_its_tile(api: Api) -> None:
    """The public tile route serves no bundle, however the level is spelt, and no path but the one spelling."""
    await api.service.sequencer.drain()
    absent = seen(await api.send(None, "GET", "/v1/audit/tile/7/999"))
    assert absent[0] == 404
    for path in ("%65ntries/000.p/1", "-1/000.p/1", "0/0", "0/000.p/0", "0/000.p/01", "00/000.p/1", "0/..%2F0/000.p/1"):
        answer = await api.client.get(f"/v1/audit/tile/{path}")
        assert answer.status_code in {401, 404}, path
        if answer.status_code == 404:
            assert seen(answer) == absent
    with pytest.raises(NotFoundError):
        await read_tile("entries", "000.p/1", api.office)


async def test_what_the_log_has_not_grown_to_yet_is_not_found(api: Api) -> None:
    """Wider partial tiles, later tiles and levels, and entries beyond the end: each like anything that is not there."""
    await api.service.sequencer.drain()
    note = await api.send(None, "GET", "/v1/audit/checkpoint")
    size = open_checkpoint(note.content, Verifier.from_vkey(api.service.signer.vkey)).checkpoint.size
    assert (await api.send(None, "GET", f"/v1/audit/tile/0/000.p/{size}")).status_code == 200
    for path in (f"0/000.p/{size + 1}", "0/000", "0/001.p/1", "1/000.p/1", "63/000", "0/000.p/256", "64/000", "0/0000"):
        answer = await api.send(None, "GET", f"/v1/audit/tile/{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path
    for path in (
        f"tile/entries/000.p/{size + 1}",
        "tile/entries/000",
        f"entries/{size}",
        f"entries/{size}/proof",
        "entries/-1/proof",
        "entries/01/proof",
        "entries/x/proof",
        "entries/999999999999999/proof",
    ):
        assert (await api.send("auditor", "GET", f"/v1/audit/{path}")).status_code == 404, path
    assert (await api.send(None, "GET", f"/v1/audit/tile/entries/000.p/{size}")).status_code == 401
