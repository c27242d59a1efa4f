"""What a person is told before they choose, item by item: refused with what is missing, kept, and on the receipt."""

from tests.api.calling import Api, grant, tip
from tiprouter.domain.consent import InformedItem

ALL = [item.value for item in InformedItem]


async def test_a_grant_that_was_not_told_one_thing_is_refused_with_its_name(api: Api) -> None:
    """422 says which item it is, whichever it is; nothing is kept."""
    for gap in ALL:
        answer = await api.send("intake", "POST", "/v1/consents", grant(informed=[one for one in ALL if one != gap]))
        reason = f"The person was not told all of it: {gap}."
        assert (answer.status_code, answer.json()["errors"]) == (422, [{"pointer": "/informed", "reason": reason}])
    assert await api.service.rows("select id from consents") == []


async def test_the_items_are_kept_and_stand_on_the_receipt(api: Api) -> None:
    """All of them in any order, or `true` for all: the same answer, and a receipt that lists what was told."""
    await api.send("intake", "POST", "/v1/tips", tip())
    for informed in (ALL[::-1], True):
        given = (await api.send("intake", "POST", "/v1/consents", grant(informed=informed))).json()
        assert (given["informed"], given["checklist"], given["untold"]) == (True, ALL, [])
        receipt = (await api.send("intake", "GET", f"/v1/consents/{given['id']}/receipt")).json()["consent_record"]
        assert receipt["informed_of"] == ALL
        assert "all of informed_of" in receipt["privacy_notice"]


async def test_a_refusal_needs_no_list_and_says_what_was_told(api: Api) -> None:
    """Nobody has to be told everything to say no; the receipt claims no more than was told."""
    bare = grant() | {"choice": "refuse", "categories": [], "purposes": [], "kinds": [], "expires_at": None}
    for informed, notice in ((["risks"], "only informed_of"), ([], "None was recorded"), (False, "None was recorded")):
        given = (await api.send("intake", "POST", "/v1/consents", bare | {"informed": informed})).json()
        assert (given["informed"], given["checklist"]) == (False, informed or [])
        assert given["untold"] == [one for one in ALL if one not in given["checklist"]]
        receipt = (await api.send("intake", "GET", f"/v1/consents/{given['id']}/receipt")).json()["consent_record"]
        assert receipt["informed_of"] == (informed or [])
        assert notice in receipt["privacy_notice"]


async def test_anything_else_is_refused_and_the_answer_points_to_it(api: Api) -> None:
    """A closed vocabulary: no other word, and no more of them than there are."""
    for informed in ("true", 1, ["risk"], [True], {"risks": True}, [*ALL, "risks"]):
        answer = await api.send("intake", "POST", "/v1/consents", grant(informed=informed))
        assert answer.status_code == 422, informed
        pointers = [one["pointer"] for one in answer.json()["errors"]]
        assert pointers in (["/informed"], ["/informed/0"])
