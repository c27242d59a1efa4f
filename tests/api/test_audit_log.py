"""Can an outsider read and prove the log over HTTP?"""

import base64

import pytest

from tests.api.calling import Api, tip
from tests.api.test_access import seen
from tiprouter.api.routes.audit import read_tile
from tiprouter.audit.checkpoint import open_checkpoint
from tiprouter.audit.lone_proof import verify_lone_proof
from tiprouter.audit.note import Verifier
from tiprouter.audit.proof import Proof
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
        assert verify_lone_proof(proof.content, entries[index], key).ok


async def test_nobody_gets_an_entry_by_another_spelling_of_its_tile(api: Api) -> None:
    """The public tile route serves no bundle, however the level is spelt, and no path but the one spelling."""
    await api.service.sequencer.drain()
    absent = seen(await api.send("intake", "GET", "/v1/tips/tip_01KJQH0CC0BX86ENBVMH4TY5PG"))
    assert absent[0] == 404
    for path in ("%65ntries/000.p/1", "-1/000.p/1", "0/0", "0/000.p/0", "0/000.p/01", "00/000.p/1", "0/..%2F0/000.p/1"):
        answer = await api.client.get(f"/v1/audit/tile/{path}")
        assert answer.status_code in {401, 404}, path
        if answer.status_code == 404:
            assert seen(answer) == absent
    with pytest.raises(NotFoundError):
        await read_tile("entries", "000.p/1", api.office)


async def test_what_the_log_has_not_grown_to_yet_is_told_with_the_size_of_the_log(api: Api) -> None:
    """Wider partial tiles, later tiles and levels, and entries beyond the end; what cannot be one is just not there."""
    await api.service.sequencer.drain()
    note = await api.send(None, "GET", "/v1/audit/checkpoint")
    size = open_checkpoint(note.content, Verifier.from_vkey(api.service.signer.vkey)).checkpoint.size
    assert (await api.send(None, "GET", f"/v1/audit/tile/0/000.p/{size}")).status_code == 200
    beyond, absent = "urn:tiprouter:problem:beyond-log", "urn:tiprouter:problem:not-found"
    for path, kind in (
        (f"0/000.p/{size + 1}", beyond),
        ("0/000", beyond),
        ("0/001.p/1", beyond),
        ("1/000.p/1", beyond),
        ("63/000", beyond),
        ("0/000.p/256", absent),
        ("64/000", absent),
        ("0/0000", absent),
    ):
        answer = await api.send(None, "GET", f"/v1/audit/tile/{path}")
        assert (answer.status_code, answer.json()["type"]) == (404, kind), path
        assert (f"The log has {size} entries" in answer.text) is (kind == beyond)
    for path, kind in (
        (f"tile/entries/000.p/{size + 1}", beyond),
        ("tile/entries/000", beyond),
        (f"entries/{size}", beyond),
        (f"entries/{size}/proof", beyond),
        ("entries/999999999999999/proof", beyond),
        ("entries/-1/proof", absent),
        ("entries/01/proof", absent),
        ("entries/x/proof", absent),
    ):
        answer = await api.send("auditor", "GET", f"/v1/audit/{path}")
        assert (answer.status_code, answer.json()["type"]) == (404, kind), path
        assert (f"The log has {size} entries" in answer.text) is (kind == beyond)
    assert (await api.send(None, "GET", f"/v1/audit/tile/entries/000.p/{size}")).status_code == 401


async def test_an_entry_is_proved_against_the_checkpoint_that_the_auditor_holds(api: Api) -> None:
    """By its size, as long as that was signed; a size of the future, of none, or too small says what is wrong."""
    key = Verifier.from_vkey(api.service.signer.vkey)
    await api.send("intake", "POST", "/v1/tips", tip())
    await api.service.sequencer.drain()
    held = await api.send(None, "GET", "/v1/audit/checkpoint")
    size = open_checkpoint(held.content, key).checkpoint.size
    for name in ("T-2", "T-3"):
        await api.send("intake", "POST", "/v1/tips", tip(name))
    await api.service.sequencer.drain()
    newest = open_checkpoint((await api.send(None, "GET", "/v1/audit/checkpoint")).content, key).checkpoint.size
    assert newest > size + 1
    path = f"/v1/audit/entries/{size - 1}/proof"
    entry = base64.b64decode((await api.send("auditor", "GET", f"/v1/audit/entries/{size - 1}")).json()["bytes"])
    for asked, of in ((f"?size={size}", size), ("", newest), (f"?size={newest}", newest)):
        proof = (await api.send("auditor", "GET", path + asked)).content
        report = verify_lone_proof(proof, entry, key)
        assert (report.ok, report.size) == (True, of)
        assert (Proof.parse(proof).note == held.content) is (of == size)
    for index, asked, said in (
        (0, str(newest + 1), f"The log has {newest} entries."),
        (0, str(size + 1), f"No checkpoint was signed at this size; the newest is of {newest} entries."),
        (size, str(size), f"A log of {size} entries, counted from 0, does not hold this one."),
        (0, "0", ""),
        (0, "many", ""),
        (0, str(2**53 + 1), ""),
    ):
        answer = await api.send("auditor", "GET", f"/v1/audit/entries/{index}/proof?size={asked}")
        assert answer.status_code == 422, asked
        (wrong,) = answer.json()["errors"]
        assert wrong["pointer"] == "/size"
        assert said in ("", wrong["reason"])
