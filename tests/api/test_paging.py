"""How is a long list read to its end?"""

import pytest

from tests.api.calling import Api, agency, case, grant, tip


async def _walk(api: Api, role: str, path: str) -> list[list[str]]:
    pages, after = [], path
    while after:
        answer = await api.send(role, "GET", after)
        assert answer.status_code == 200, answer.text
        pages.append([str(one.get("id", one.get("index"))) for one in answer.json()["items"]])
        after = answer.links["next"]["url"] if "link" in answer.headers else ""
        assert len(pages) < 40
    return pages


async def _fill(api: Api) -> None:
    for number in range(3):
        api.service.clock.forward(seconds=1)
        await api.send("operator", "POST", "/v1/recipients", agency(name=f"Example {number}"))
    for number in range(5):
        api.service.clock.forward(seconds=1)
        child = tip(f"T-{number}")
        child["persons"][0]["age"] = {"years": 12}
        assert (await api.send("intake", "POST", "/v1/tips", child)).status_code == 201
        create = {"If-None-Match": "*"}
        assert (await api.send("intake", "PUT", f"/v1/cases/C-{number}", case(), create)).status_code == 201
        assert (await api.send("intake", "POST", "/v1/consents", grant())).status_code == 201
    await api.service.sequencer.drain()


@pytest.mark.parametrize("limit", [2])
async def test_every_list_walks_over_each_row_exactly_once_newest_first(api: Api, limit: int) -> None:
    """Pages of two, followed by Link, are together the one long page; none is longer than asked for."""
    await _fill(api)
    for role, path in (
        ("reviewer", "/v1/tips?"),
        ("reviewer", "/v1/cases?"),
        ("reviewer", "/v1/consents?"),
        ("auditor", "/v1/recipients?"),
        ("auditor", "/v1/decisions?outcome=REPORT&current=true&"),
        ("auditor", "/v1/disclosures?"),
        ("operator", "/v1/notices?"),
        ("auditor", "/v1/audit/entries?kind=record.accepted&"),
    ):
        (whole,) = await _walk(api, role, f"{path}limit=200")
        pages = await _walk(api, role, f"{path}limit={limit}")
        assert [one for page in pages for one in page] == whole, path
        assert all(len(page) == limit for page in pages[:-1]), path
        assert len(set(whole)) == len(whole), path
        if "audit" in path:
            assert whole == sorted(whole, key=int, reverse=True)
        else:
            assert whole == sorted(whole, reverse=True), path
            assert len(whole) >= 3 or "notices" in path, path


async def test_a_filter_goes_on_into_the_next_page(api: Api) -> None:
    """The next page asks for the same filters."""
    await _fill(api)
    answer = await api.send("auditor", "GET", "/v1/decisions?outcome=REPORT&current=true&limit=1")
    link = answer.links["next"]["url"]
    assert link.startswith("/v1/decisions?")
    assert {"outcome=REPORT", "current=true", "limit=1"} < set(link.partition("?")[2].split("&"))


async def test_a_page_is_fifty_unless_asked(api: Api) -> None:
    """The default is 50 and no more rows than that are answered."""
    for number in range(55):
        assert (await api.send("operator", "POST", "/v1/recipients", agency(name=f"E {number}"))).status_code == 201
    pages = await _walk(api, "auditor", "/v1/recipients")
    assert [len(page) for page in pages] == [50, 5]
