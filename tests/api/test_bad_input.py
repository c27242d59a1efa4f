"""What happens to a request that is not right? It gets its own problem, changes nothing, and is quoted nowhere."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.api.calling import BODY_BYTES_MAX, MARKER, Api, agency, at, case, grant, tip


@dataclass(frozen=True)
class Bad:
    """A bad request and the problem it gets."""

    name: str
    status: int
    slug: str
    method: str = "POST"
    path: str = "/v1/tips"
    role: str | None = "intake"
    body: Any = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    errors: list[tuple[str, str]] | None = None


def _raw(change: Callable[[bytes], bytes]) -> bytes:
    return change(json.dumps(tip(source=MARKER)).encode())


def _person(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    body = tip(source=MARKER)
    body["persons"][0] |= changes
    return body


JSON_FAULTS = [
    Bad("empty", 400, "empty-body", content=b""),
    Bad("byte order mark", 400, "byte-order-mark", content=_raw(lambda data: b"\xef\xbb\xbf" + data)),
    Bad("not UTF-8", 400, "not-utf-8", content=_raw(lambda data: data.replace(b"Example", b"\xff", 1))),
    Bad("not JSON", 400, "not-json", content=_raw(lambda data: data[:-1])),
    Bad("name twice", 400, "duplicate-name", content=_raw(lambda data: b'{"source":"a",' + data[1:])),
    Bad("name twice below", 400, "duplicate-name", content=_raw(lambda d: d.replace(b'"years"', b'"years":1,"years"'))),
    Bad("NaN", 400, "not-a-number", content=_raw(lambda data: data.replace(b"29", b"NaN"))),
    Bad("Infinity", 400, "not-a-number", content=_raw(lambda data: data.replace(b"29", b"-Infinity"))),
    Bad("number", 400, "number-too-large", content=_raw(lambda data: data.replace(b"29", b"9007199254740993"))),
    Bad("deep", 400, "nested-too-deeply", content=_raw(lambda d: d.replace(b"29", b"[" * 40 + b"1" + b"]" * 40))),
    Bad("surrogate", 400, "lone-surrogate", content=_raw(lambda data: data.replace(b"Example", b"\\udc00", 1))),
    Bad("NUL", 400, "nul-character", content=_raw(lambda data: data.replace(b"Example", b"\\u0000", 1))),
    Bad(
        "many members", 400, "too-many-members", content=json.dumps({f"{MARKER}{n}": n for n in range(2_000)}).encode()
    ),
    Bad("trailing bytes", 400, "not-json", content=_raw(lambda data: data + b"{}")),
    Bad("too large", 413, "body-too-large", content=_raw(lambda data: data + b" " * BODY_BYTES_MAX)),
]
HEADER_FAULTS = [
    Bad("no media type", 415, "media-type", content=_raw(bytes), headers={"Content-Type": ""}),
    Bad("form", 415, "media-type", content=_raw(bytes), headers={"Content-Type": "application/x-www-form-urlencoded"}),
    Bad(
        "charset", 415, "media-type", content=_raw(bytes), headers={"Content-Type": "application/json; charset=latin1"}
    ),
    Bad("gzip", 415, "media-type", content=_raw(bytes), headers={"Content-Encoding": "gzip"}),
    Bad("gzip after all", 415, "media-type", content=_raw(bytes), headers={"Content-Encoding": "identity, gzip"}),
    Bad("UTF-16", 415, "media-type", content=_raw(bytes), headers={"Content-Type": "application/json; charset=utf-16"}),
    Bad("patch", 415, "media-type", content=_raw(bytes), headers={"Content-Type": "application/merge-patch+json"}),
    Bad("no key", 400, "idempotency-key", body=tip(source=MARKER), headers={"Idempotency-Key": ""}),
    Bad("key with space", 400, "idempotency-key", body=tip(), headers={"Idempotency-Key": f"a {MARKER}"}),
    Bad("long key", 400, "idempotency-key", body=tip(), headers={"Idempotency-Key": MARKER * 20}),
    Bad("no token", 401, "unauthenticated", role=None, body=tip(source=MARKER)),
    Bad("unknown token", 401, "unauthenticated", role=None, headers={"Authorization": f"Bearer tr_{MARKER}"}),
    Bad("other scheme", 401, "unauthenticated", role=None, headers={"Authorization": f"Basic {MARKER}"}),
    Bad("no precondition", 428, "precondition-required", "PUT", "/v1/cases/C-1", body=case(source=MARKER)),
    Bad(
        "both preconditions",
        400,
        "precondition-malformed",
        "PUT",
        "/v1/cases/C-1",
        body=case(source=MARKER),
        headers={"If-Match": '"1"', "If-None-Match": "*"},
    ),
    Bad(
        "weak tag",
        400,
        "precondition-malformed",
        "PUT",
        "/v1/cases/C-1",
        body=case(),
        headers={"If-Match": f'W/"{MARKER}"'},
    ),
    Bad("stale", 412, "stale", "PUT", "/v1/cases/C-1", body=case(source=MARKER), headers={"If-Match": '"7"'}),
]
SHAPE_FAULTS = [
    Bad("array", 422, "invalid", body=[MARKER], errors=[("", "This is not an object.")]),
    Bad("text", 422, "invalid", body=MARKER, errors=[("", "This is not an object.")]),
    Bad(
        "unknown field",
        422,
        "invalid",
        body=tip() | {MARKER: 1},
        errors=[("", "This object has a field that is not known here.")],
    ),
    Bad(
        "unknown field below",
        422,
        "invalid",
        body=_person(**{MARKER: 1}),
        errors=[("/persons/0", "This object has a field that is not known here.")],
    ),
    Bad(
        "not known",
        422,
        "invalid",
        body=tip(channel=MARKER),
        errors=[("/channel", "This is not one of the known values.")],
    ),
    Bad("number as text", 422, "invalid", body=tip(language=7), errors=[("/language", "This field is not a text.")]),
    Bad(
        "text as number",
        422,
        "invalid",
        body=_person(age={"years": MARKER}),
        errors=[("/persons/0/age/years", "This field is not a whole number.")],
    ),
    Bad(
        "fraction",
        422,
        "invalid",
        body=_person(age={"years": 29.5}),
        errors=[("/persons/0/age/years", "This field is not a whole number.")],
    ),
    Bad(
        "too old",
        422,
        "invalid",
        body=_person(age={"years": 131}),
        errors=[("/persons/0/age/years", "This number is too large.")],
    ),
    Bad(
        "age twice",
        422,
        "invalid",
        body=_person(age={"years": 29, "belief": "adult"}),
        errors=[("/persons/0/age", "At most one of date_of_birth, years, range and belief may be given.")],
    ),
    Bad(
        "no end",
        422,
        "invalid",
        body=_person(age={"range": {}}),
        errors=[("/persons/0/age/range", "A range needs low or high.")],
    ),
    Bad(
        "reversed",
        422,
        "invalid",
        body=_person(age={"range": {"low": 20, "high": 10}}),
        errors=[("/persons/0/age/range", "A range's low is at most its high.")],
    ),
    Bad(
        "not a day",
        422,
        "invalid",
        body=_person(age={"date_of_birth": "1997-02-30"}),
        errors=[("/persons/0/age/date_of_birth", "This is not a date of the form YYYY-MM-DD.")],
    ),
    Bad("no persons", 422, "invalid", body=tip(persons=[]), errors=[("/persons", "This array has too few items.")]),
    Bad("missing", 422, "invalid", body={"source": MARKER}),
    Bad("control character", 422, "invalid", body=_person(identity={"first_name": f"{MARKER}\x07"})),
    Bad(
        "long text",
        422,
        "invalid",
        body=_person(health=MARKER * 2_000),
        errors=[("/persons/0/health", "This text is too long.")],
    ),
    Bad("no offset", 422, "invalid", body=tip(signaled_at="2026-03-02T14:50:00")),
    Bad("no such hour", 422, "invalid", body=tip(signaled_at="2026-03-02T25:50:00Z")),
    Bad("out of time", 422, "invalid", body=tip(signaled_at="0001-01-01T00:00:00+14:00")),
    Bad("place", 422, "invalid", body=tip(jurisdictions=[{"code": MARKER, "reason": "found"}])),
    Bad(
        "accused twice",
        422,
        "invalid",
        body=tip(implicated=[{"recipient_id": "rcp_01KJQH0CC0BX86ENBVMH4TY5PG", "kind": "law_enforcement"}]),
        errors=[("/implicated/0", "Exactly one of recipient_id and kind (with or without jurisdiction) is given.")],
    ),
]
MEANING_FAULTS = [
    Bad(
        "unknown ref",
        422,
        "invalid",
        body=tip(signaler={"relationship": "self", "ref": MARKER}),
        errors=[("/signaler/ref", "This field names no person of this record.")],
    ),
    Bad(
        "future",
        422,
        "invalid",
        body=tip(received_at=at(hours=-1)),
        errors=[("/received_at", "This field lies in the future.")],
    ),
    Bad(
        "no such tip",
        422,
        "invalid",
        "PUT",
        "/v1/cases/C-1",
        body=case() | {"tips": ["tip_01KJQH0CC0BX86ENBVMH4TY5PG"]},
        headers={"If-None-Match": "*"},
        errors=[("/tips/0", "This field names no tip.")],
    ),
    Bad(
        "case id",
        422,
        "invalid",
        "PUT",
        f"/v1/cases/{MARKER}.1",
        body=case(),
        headers={"If-None-Match": "*"},
        errors=[("/case_id", "A case's id has 1 to 64 letters, digits, dashes or underscores.")],
    ),
    *(
        Bad(
            f"grant without {name}",
            422,
            "invalid",
            path="/v1/consents",
            body=grant(**{name: empty}),
            errors=[(f"/{name}", "A grant needs this field.")],
        )
        for name, empty in (("categories", []), ("purposes", []), ("informed", False), ("expires_at", None))
    ),
    Bad(
        "grant to nobody",
        422,
        "invalid",
        path="/v1/consents",
        body=grant(kinds=[]),
        errors=[("/recipients", "A grant needs this field.")],
    ),
    Bad(
        "nobody's grant",
        422,
        "invalid",
        path="/v1/consents",
        body=grant(person={"source": MARKER}),
        errors=[("/person", "Exactly one of id, and source with ref, is given.")],
    ),
    Bad(
        "unknown person",
        422,
        "invalid",
        path="/v1/consents",
        body=grant(person={"id": "per_01KJQH0CC0BX86ENBVMH4TY5PG"}),
        errors=[("/person/id", "This field names no person.")],
    ),
    Bad(
        "unknown recipient",
        422,
        "invalid",
        path="/v1/consents",
        body=grant(recipients=["rcp_01KJQH0CC0BX86ENBVMH4TY5PG"]),
        errors=[("/recipients/0", "This field names no recipient.")],
    ),
    Bad(
        "private address",
        422,
        "invalid",
        path="/v1/recipients",
        role="operator",
        body=agency(url=f"https://127.0.0.1/{MARKER}"),
        errors=[("/url", "Disclosures cannot be sent to this address.")],
    ),
    Bad("role", 422, "invalid", path="/v1/credentials", role="operator", body={"role": MARKER}),
    Bad(
        "withdrawal that speaks",
        422,
        "invalid",
        path="/v1/consents/cns_01KJQH0CC0BX86ENBVMH4TY5PG/withdraw",
        body={MARKER: 1},
    ),
    Bad("unknown consent", 404, "not-found", path="/v1/consents/cns_01KJQH0CC0BX86ENBVMH4TY5PG/withdraw"),
    Bad("no id", 404, "not-found", "GET", f"/v1/tips/{MARKER}"),
    Bad("no path", 404, "not-found", "GET", f"/{MARKER}"),
    Bad("slash", 404, "not-found", "GET", "/v1/tips/"),
    Bad("method", 405, "method-not-allowed", "PATCH", "/v1/tips"),
    Bad("limit", 422, "query-invalid", "GET", "/v1/tips?limit=201", errors=[("/limit", "This number is too large.")]),
    Bad(
        "filter",
        422,
        "query-invalid",
        "GET",
        f"/v1/tips?{MARKER}=1",
        errors=[("", "This object has a field that is not known here.")],
    ),
    Bad("after", 422, "query-invalid", "GET", f"/v1/tips?after={MARKER}"),
]


@pytest.mark.parametrize("kind", [JSON_FAULTS, HEADER_FAULTS, SHAPE_FAULTS, MEANING_FAULTS])
async def test_a_bad_request_gets_its_problem_and_changes_nothing(
    api: Api, kind: list[Bad], capfd: pytest.CaptureFixture[str]
) -> None:
    """Status, type and pointers are as the table says; no table grows; the marker comes back in no byte and no log."""
    before = await api.counts()
    for bad in kind:
        answer = await api.send(bad.role, bad.method, bad.path, bad.body, bad.headers, bad.content)
        assert (answer.status_code, answer.headers["content-type"]) == (bad.status, "application/problem+json"), (
            bad.name
        )
        problem = answer.json()
        assert problem["type"] == f"urn:tiprouter:problem:{bad.slug}", bad.name
        assert problem["status"] == bad.status
        assert problem["instance"] == f"urn:request:{answer.headers['x-request-id']}"
        if bad.errors is not None:
            assert [(one["pointer"], one["reason"]) for one in problem["errors"]] == bad.errors, bad.name
        assert MARKER not in answer.text, bad.name
        assert MARKER not in str(answer.headers), bad.name
    assert await api.counts() == before
    said = "".join(capfd.readouterr())
    assert "request" in said
    assert MARKER not in said


async def test_a_tip_sent_again_under_another_key_is_a_duplicate(api: Api) -> None:
    """The second one is 409 and makes nothing."""
    assert (await api.send("intake", "POST", "/v1/tips", tip())).status_code == 201
    before = await api.counts()
    again = await api.send("intake", "POST", "/v1/tips", tip())
    assert (again.status_code, again.json()["type"]) == (409, "urn:tiprouter:problem:duplicate")
    assert await api.counts() == before


async def test_at_most_twenty_faults_are_told(api: Api) -> None:
    """A body full of faults does not make an answer larger than itself."""
    answer = await api.send("intake", "POST", "/v1/tips", tip(exploitation=["x"] * 11, implicated=[1] * 20))
    assert len(answer.json()["errors"]) == 20
