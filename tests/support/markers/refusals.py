"""What must be refused, with markers wherever a caller can put them; nothing of it may be kept, said, or repeated."""

import json
from collections.abc import Iterator

from tests.support.markers.bodies import Body, agency, ago, granted, told
from tests.support.markers.client import Client
from tests.support.markers.flows import Flows
from tests.support.markers.sowing import Mark, Sowing

WRITES = (
    "POST /v1/tips",
    "PUT /v1/cases/{}",
    "POST /v1/consents",
    "POST /v1/recipients",
    "POST /v1/people",
    "POST /v1/grants",
    "POST /v1/disclosures/{}/acknowledgements",
    "POST /v1/questions/{}/answer",
    "POST /v1/duties/{}/calls",
    "POST /v1/records/{}/hold",
    "POST /v1/sign-in/local",
    "POST /v1/bundles",
    "POST /v1/oauth/token",
)
READS = ("tips", "cases", "consents", "reviews", "decisions", "disclosures", "deliveries", "duties", "audit/entries")
ROLES = ("intake", "reviewer", "auditor", "operator", "well", "counsel", "nobody")


def broken(mark: Mark) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """Bodies that are none: what is wrong with each, its bytes, and its heads."""
    word, plain = mark("word"), {"Content-Type": "application/json"}
    yield "not JSON", f'{{"{word}": "{word}'.encode(), plain
    yield "a name twice", f'{{"{word}": 1, "{word}": 2}}'.encode(), plain
    yield "an unknown name", json.dumps({word: word}).encode(), plain
    yield "a list", json.dumps([word]).encode(), plain
    yield "a text", json.dumps(word).encode(), plain
    yield "NaN beside it", f'{{"{word}": NaN}}'.encode(), plain
    yield "a byte order mark", b"\xef\xbb\xbf" + json.dumps({word: word}).encode(), plain
    yield "no UTF-8", b'{"\xff' + word.encode() + b'": 1}', plain
    yield "too large", json.dumps({word: word * 9_000}).encode(), plain
    yield "too deep", (f'{{"{word}":' * 200 + "1" + "}" * 200).encode(), plain
    yield "another type", word.encode(), {"Content-Type": f"text/{word}"}
    yield "a charset", json.dumps({word: word}).encode(), {"Content-Type": f"application/json; charset={word}"}
    yield "packed", word.encode(), plain | {"Content-Encoding": word}


def wrong(mark: Mark, flows: Flows) -> Iterator[tuple[str, str, str, Body]]:
    """Bodies with one thing wrong and every other word right: role, route, id, body."""
    intake, tips, holder = "intake", "POST /v1/tips", "operator"
    yield intake, tips, "", told(mark, signaler={"relationship": mark("not_a_relationship")})
    yield intake, tips, "", told(mark) | {mark("unknown_name"): mark("value")}
    yield intake, tips, "", told(mark, received_at=mark("no_moment"))
    yield intake, tips, "", told(mark, persons=mark("no_list"))
    yield intake, tips, "", told(mark, jurisdictions=[{"code": mark("no_place"), "reason": "found"}])
    twice = told(mark)
    yield intake, tips, "", twice | {"persons": twice["persons"] * 2}
    yield intake, "PUT /v1/cases/{}", mark("case_id"), told(mark)
    whose = {"source": mark("unknown_source"), "ref": mark("unknown_ref")}
    yield intake, "POST /v1/consents", "", granted(mark, whose, expires_at=ago(days=1))
    yield holder, "POST /v1/recipients", "", agency(mark("name"), url=f"ftp://{mark('host')}/{mark('p')}")
    yield holder, "POST /v1/recipients", "", agency("x", url="https://a.example/", private_key=mark("key"))
    yield holder, "POST /v1/people", "", {"role": "reviewer", "name": mark("name"), "email": mark("no_address")}
    yield "auditor", "POST /v1/grants", "", {"record": mark("record"), "until": ago(), "reason": mark("reason")}
    yield "reviewer", "POST /v1/records/{}/hold", mark("record"), {"reason": mark("reason")}
    yield "reviewer", "POST /v1/records/{}/hold", flows.records[0], {"reason": [mark("reason")]}
    yield "well", "POST /v1/disclosures/{}/acknowledgements", mark("id"), {"status": mark("status")}
    yield "counsel", "POST /v1/bundles", "", {"files": {mark("file"): mark("text")}}


def refused(flows: Flows, client: Client, sowing: Sowing) -> None:
    """All of them; every answer is looked at, and must be a refusal."""
    for route in WRITES:
        mark = sowing.refused("bodies that are none")
        for _, content, headers in broken(mark):
            role = {"recipients": "operator", "people": "operator", "bundles": "counsel"}.get(route.split("/")[2])
            client.refused(role or "intake", route, mark("id"), content=content, headers=headers)
    for role, route, about, body in wrong(sowing.refused("bodies with one thing wrong"), flows):
        client.refused(role, route, about, body=body)
    mark = sowing.refused("paths, queries and heads")
    for role in ROLES:
        for noun in READS:
            word = mark(role)
            client.refused(role, "GET /v1/{}/{}", noun, word)
            client.refused(role, "GET /v1/{}", noun, query=f"?{word}={word}&limit={word}")
        client.refused(role, "GET /{}/{}", mark("path"), mark("path"), query=f"?{mark('query')}")
        client.refused(role, "PATCH /v1/tips/{}", mark("id"), body={mark("name"): mark("value")})
    _strangers(client, sowing)
    client.refused("intake", "POST /v1/tips", body=told(mark), headers={"Idempotency-Key": f"{mark('a')} {mark('b')}"})
    client.refused("intake", "PUT /v1/cases/{}", mark("id"), body=told(mark), headers={"If-Match": mark("tag")})


def _strangers(client: Client, sowing: Sowing) -> None:
    mark = sowing.refused("names and credentials of nobody")
    for headers in (
        {"Authorization": f"Bearer {mark('token')}"},
        {"Authorization": f"Basic {mark('basic')}"},
        {"Authorization": f"{mark('scheme')} {mark('token')}"},
        {"Cookie": f"session={mark('cookie')}"},
        {"X-Request-Id": mark("request"), "X-Forwarded-For": mark("source"), "User-Agent": mark("program")},
        {"Client-Cert": f":{mark('certificate')}:"},
        {"Authorization": f"Bearer tr_{mark('prefix')}_{mark('secret')}"},
    ):
        client.refused("nobody", "GET /v1/notices", headers=headers)
        client.refused("nobody", "POST /v1/tips", headers=headers, body=told(mark))
    for route, names in (
        ("POST /v1/sign-in/local", ("name", "password", "code")),
        ("POST /v1/invitations/redeem", ("invitation", "password")),
        ("POST /v1/invitations/confirm", ("invitation", "code")),
        ("POST /v1/sign-in/oidc/finish", ("code", "state")),
    ):
        client.refused("nobody", route, body={name: mark(name) for name in names})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assertion = f"{mark('a')}.{mark('b')}.{mark('c')}"
    said = f"grant_type=client_credentials&client_assertion_type={kind}&client_assertion={assertion}"
    client.refused("nobody", "POST /v1/oauth/token", content=said.encode(), headers=form)
    # Pages for people say no in words, or lead back to the beginning.
    client.send("nobody", "GET /v1/sign-in/oidc/callback", query=f"?code={mark('code')}&state={mark('state')}")
    for page in ("sign-in", "sign-in/invitation", "sign-in/password", "sign-in/step-up"):
        content = f"name={mark('name')}&password={mark('password')}&invitation={mark('i')}&code={mark('code')}".encode()
        client.send("nobody", "POST /{}", page, content=content, headers=form)
