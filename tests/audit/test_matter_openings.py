"""Openings beside the entries they open: changed, moved, left out, doubled, misspelt, and gone."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.conftest import entry
from tiprouter.audit.entry import Entry, commit, parse
from tiprouter.audit.kinds import Kind
from tiprouter.audit.matter_bundle import OPENINGS, BundleFileError, EntryFaultError, canonical
from tiprouter.audit.matter_openings import NONE_GIVEN, check, committed, spell

RECORD, GRANT = "tip_01KJQH0CC0BX86ENBVMH4TY5PA", "grt_01KJQH0CC0BX86ENBVMH4TY5PA"
WORDS = {3: "a case that is fictional", 5: "ab" * 32, 6: 'words "quoted" \u00e9 of an agency', 9: "why"}
SALTS = {index: bytes([index]) * 16 for index in WORDS}


def _commitment(index: int) -> str:
    return commit(SALTS[index], WORDS[index].encode())


def _entries(*more: tuple[int, bytes]) -> dict[int, Entry]:
    said = [
        (3, entry(3, Kind.RECORD_ACCEPTED, record=RECORD, revision=1, commitment=_commitment(3))),
        (4, entry(4, Kind.DECISION, record=RECORD, decision="dec_1", facts="cd" * 32)),
        (5, entry(5, Kind.DISCLOSURE_MADE, record=RECORD, disclosure="dis_1", digest=_commitment(5))),
        (6, entry(6, Kind.ACKNOWLEDGEMENT, disclosure="dis_1", commitment=_commitment(6))),
        (8, entry(8, Kind.EXPORT_MADE, record=RECORD, digest="ef" * 32)),
        (9, entry(9, Kind.GRANT_ASKED, record=RECORD, grant=GRANT, commitment=_commitment(9))),
        *more,
    ]
    return {index: parse(data) for index, data in said}


ENTRIES = _entries()


def _member(index: int) -> str:
    return str(committed(ENTRIES[index]))


def _told() -> dict[str, Any]:
    items = [{"index": index, "opening": spell(SALTS[index], _member(index), WORDS[index])} for index in WORDS]
    return {"record": RECORD, "grant": GRANT, "openings": items}


def _check(told: object, entries: dict[int, Entry] = ENTRIES) -> str:
    return check({OPENINGS: canonical(told)}, RECORD, entries)


def test_what_was_committed_to_is_opened() -> None:
    """The control; a bundle without a grant has none, and its entries are not asked for any."""
    assert _check(_told()) == "opened: 4"
    assert check({}, RECORD, ENTRIES) == NONE_GIVEN


def test_an_opening_is_the_array_that_sd_jwt_has() -> None:
    """Salt, name and value, in base64url without padding: read here by nothing of ours."""
    text = spell(b"\xff" * 16, "commitment", "v\u00e9")
    assert json.loads(base64.urlsafe_b64decode(text + "==")) == ["_____________________w", "commitment", "v\u00e9"]
    assert "=" not in text


def _at(number: int, opening: Callable[[str], object]) -> Callable[[dict[str, Any]], None]:
    def change(told: dict[str, Any]) -> None:
        item = told["openings"][number]
        item["opening"] = opening(item["opening"])

    return change


def _as(index: int, salt: bytes | None = None, member: str | None = None, value: str | None = None) -> Any:  # noqa: ANN401
    """The opening of one entry, with something else in it."""
    return lambda _: spell(salt or SALTS[index], member or _member(index), value or WORDS[index])


def _array(*items: object) -> Callable[[str], str]:
    return lambda _: base64.urlsafe_b64encode(json.dumps(items).encode()).rstrip(b"=").decode()


def _swapped(told: dict[str, Any]) -> None:
    one, other = told["openings"][0], told["openings"][3]
    one["opening"], other["opening"] = other["opening"], one["opening"]


WRONG: dict[str, tuple[Callable[[dict[str, Any]], Any], int]] = {
    "another value": (_at(0, _as(3, value="a case that is true")), 3),
    "another salt": (_at(1, _as(5, salt=b"\x09" * 16)), 5),
    "the opening of another entry": (_at(2, _as(3)), 6),
    "two exchanged": (_swapped, 3),
    "another member": (_at(0, _as(3, member="digest")), 3),
    "padding": (_at(0, lambda text: text + "="), 3),
    "a space in the array": (_at(0, lambda text: text[:8] + " " + text[8:]), 3),
    "a salt of nothing": (_at(0, _array("", "commitment", WORDS[3])), 3),
    "no array": (_at(0, lambda _: "e30"), 3),
    "too few": (_at(0, _array("AAAA", "commitment")), 3),
    "numbers": (_at(0, _array(1, 2, 3)), 3),
    "a value that is no text": (_at(0, _array("A" * 22, "commitment", ["x"])), 3),
    "half a character": (_at(0, _array("A" * 22, "commitment", "\ud800")), 3),
    "no text": (_at(0, lambda _: 7), 3),
    "a list": (_at(0, lambda _: ["x"]), 3),
    "nothing": (_at(0, lambda _: ""), 3),
    "one left out": (lambda told: told["openings"].pop(1), 5),
    "all left out": (lambda told: told["openings"].clear(), 3),
    "one for a decision": (lambda told: told["openings"].insert(1, {"index": 4, "opening": None}), 4),
    "one for a file's digest": (lambda told: told["openings"].insert(3, {"index": 8, "opening": None}), 8),
    "one for no entry": (lambda told: told["openings"].append({"index": 99, "opening": None}), 99),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_opening_is_one_line_at_its_entry(kind: str) -> None:
    """Each says at which entry, and in which file."""
    change, index = WRONG[kind]
    told = _told()
    change(told)
    with pytest.raises(EntryFaultError) as caught:
        _check(told)
    assert (caught.value.entry, caught.value.file) == (index, OPENINGS)
    assert "\n" not in str(caught.value)


MISSHAPEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a list": lambda _: [],
    "another record": lambda told: told | {"record": "tip_x"},
    "no grant": lambda told: {"record": RECORD, "openings": told["openings"]},
    "more": lambda told: told | {"more": 1},
    "no openings": lambda told: told | {"openings": None},
    "no items": lambda told: told | {"openings": ["x"]},
    "an item with more": lambda told: told | {"openings": [one | {"more": 1} for one in told["openings"]]},
    "one twice": lambda told: told | {"openings": [*told["openings"], told["openings"][-1]]},
    "another order": lambda told: told | {"openings": told["openings"][::-1]},
    "an index that is none": lambda told: told | {"openings": [{"index": True, "opening": None}]},
    "an index in words": lambda told: told | {"openings": [{"index": "3", "opening": None}]},
}


@pytest.mark.parametrize("kind", MISSHAPEN)
def test_a_file_of_another_shape_is_refused(kind: str) -> None:
    """Whatever somebody signed, it is a failed report and never an error of ours."""
    with pytest.raises(BundleFileError) as caught:
        _check(MISSHAPEN[kind](_told()))
    assert caught.value.file == OPENINGS


@given(st.text(max_size=80))
def test_no_text_is_taken_for_an_opening(text: str) -> None:
    """Whatever it is, it is refused at its entry."""
    told = _told()
    told["openings"][0]["opening"] = text
    with pytest.raises(EntryFaultError):
        _check(told)


@given(st.binary(min_size=16, max_size=40), st.text(max_size=60))
def test_any_value_under_any_salt_is_opened(salt: bytes, value: str) -> None:
    """And by nothing but that very value and salt."""
    made = parse(entry(3, Kind.RECORD_ACCEPTED, record=RECORD, commitment=commit(salt, value.encode())))
    told = {"record": RECORD, "grant": GRANT, "openings": [{"index": 3, "opening": spell(salt, "commitment", value)}]}
    assert _check(told, {3: made}) == "opened: 1"
    told["openings"] = [{"index": 3, "opening": spell(salt, "commitment", value + "!")}]
    with pytest.raises(EntryFaultError):
        _check(told, {3: made})


def test_what_cannot_be_opened_is_said_to_be_erased_by_the_entry_that_did_it() -> None:
    """By the first erasure of this record after it; of what came after the erasure, and of no other record's."""
    erasing = [
        (2, entry(2, Kind.RECORD_ERASED, record=RECORD, whole=False)),
        (4, entry(4, Kind.RECORD_ERASED, record="tip_other", whole=True)),
        (7, entry(7, Kind.RECORD_ERASED, record=RECORD, whole=False)),
        (11, entry(11, Kind.RECORD_ERASED, record=RECORD, whole=True)),
    ]
    told = _told()
    for number in (0, 1, 3):
        told["openings"][number]["opening"] = None
    entries = dict(sorted(_entries(*erasing).items()))
    assert _check(told, entries) == "opened: 1; content erased by entry 7: 3, 5; content erased by entry 11: 9"
    assert _check(told) == "opened: 1; without an opening: 3, 5, 9"
