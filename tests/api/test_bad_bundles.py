"""What is a policy bundle told that cannot be used, and what becomes of it?"""

import json
from dataclasses import dataclass, field

import pytest

from tests.api.calling import BODY_BYTES_MAX, MARKER, Api
from tests.api.governed import own_files, problem, propose, setting, told, whole_files
from tests.support.service import bundle
from tiprouter.api.schemas.bundles import FILE_MAX, FILES_MAX
from tiprouter.policy import nesting
from tiprouter.policy.files import shipped
from tiprouter.policy.refusal import BundleError
from tiprouter.policy.settings import SUMMARY_MAX

TENANT = (shipped("tip-sharing") / "tenant.cedar").read_text()
LINES = TENANT.count("\n")


def _policy(when: str, *annotations: str, name: str = "tenant.example") -> str:
    said = "\n".join((f'@id("{name}")', '@basis("An example.")', '@cite("Rule 4; bundle tip-sharing")', *annotations))
    return f"{said}\nforbid(principal, action, resource) when {{ {when} }};\n"


@dataclass(frozen=True)
class Bad:
    """Files, and what their refusal says: file, line, and a part of the reason."""

    name: str
    file: str
    line: int
    reason: str
    changes: dict[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()


DEEP = nesting.DEPTH_MAX + 1
BUNDLES = [
    Bad("not Cedar", "tenant.cedar", LINES + 1, "invalid variable", {"tenant.cedar": TENANT + _policy("when")}),
    Bad(
        "a fact that is not one",
        "tenant.cedar",
        LINES + 1,
        "nickname",
        {"tenant.cedar": TENANT + _policy('principal.nickname == "x"')},
    ),
    Bad(
        "a value of another type",
        "tenant.cedar",
        LINES + 1,
        "not compatible",
        {"tenant.cedar": TENANT + _policy("principal.usable == 7")},
    ),
    Bad(
        "a misspelt annotation",
        "tenant.cedar",
        LINES + 1,
        "@dedline is not an annotation",
        {"tenant.cedar": TENANT + _policy("principal.usable", '@dedline("PT1H")')},
    ),
    Bad(
        "an id twice",
        "tenant.cedar",
        LINES + 1,
        "guard.unusable",
        {"tenant.cedar": TENANT + _policy("principal.usable", name="guard.unusable")},
    ),
    Bad("a file missing", "ceiling.cedar", 1, "the file is missing", without=("ceiling.cedar",)),
    Bad("settings missing", "bundle.toml", 1, "the file is missing", without=("bundle.toml",)),
    Bad("a file empty", "golden.csv", 1, "the file is empty", {"golden.csv": " \n"}),
    Bad(
        "an unknown extends", "bundle.toml", 1, "no such bundle is shipped", {"bundle.toml": setting("extends", '"x"')}
    ),
    Bad(
        "a path as extends",
        "bundle.toml",
        1,
        "no such bundle is shipped",
        {"bundle.toml": setting("extends", '"../bundles/survivor-led"')},
    ),
    Bad("a common file twice", "core.cedar", 1, "stated twice", {"core.cedar": whole_files()["core.cedar"]}),
    Bad(
        "an unknown key",
        "bundle.toml",
        6,
        "third_parti is not a key",
        {"bundle.toml": setting("third_party", '"own"').replace("third_party", "third_parti")},
    ),
    Bad("a long name", "bundle.toml", 2, "name must be", {"bundle.toml": setting("name", f'"{"x" * 101}"')}),
    Bad("a name of two lines", "bundle.toml", 2, "name must be", {"bundle.toml": setting("name", '"a\\u0000b"')}),
    Bad(
        "a long summary",
        "bundle.toml",
        4,
        "summary must be",
        {"bundle.toml": setting("summary", f'"{"x" * (SUMMARY_MAX + 1)}"')},
    ),
    Bad(
        "brackets that would end the process",
        "tenant.cedar",
        LINES + 4,
        "brackets nest deeper",
        {"tenant.cedar": TENANT + _policy("(" * 9_000 + "true" + ")" * 9_000)},
    ),
    Bad(
        "brackets behind comments",
        "tenant.cedar",
        LINES + 4 + DEEP - 2,  # the first bracket is the condition's brace
        "brackets nest deeper",
        {"tenant.cedar": TENANT + _policy("( //)\n" * 9_000 + "true" + ")" * 9_000)},
    ),
    Bad(
        "terms that would end the process",
        "tenant.cedar",
        LINES + 1,
        "a statement is longer",
        {"tenant.cedar": TENANT + _policy("1" + "+1" * 30_000 + " == 1")},
    ),
    Bad(
        "terms behind semicolons that are none",
        "tenant.cedar",
        LINES + 1,
        "a statement is longer",
        {"tenant.cedar": TENANT + _policy('";" == ' + "1 +//;\n" * 10_000 + " 1")},
    ),
    Bad(
        "types that would end the process",
        "schema.cedarschema",
        1,
        "brackets nest deeper",
        whole_files() | {"schema.cedarschema": "type Deep = " + "Set<" * 15_000 + "Long" + ">" * 15_000 + ";"},
    ),
    Bad(
        "terms that are too many for the reader",
        "tenant.cedar",
        LINES + 1,
        "nests too deeply",
        {"tenant.cedar": TENANT + _policy("1" + "+1" * 1_800 + " == 1")},
    ),
    Bad(
        "a value that is too deep for the reader",
        "bundle.toml",
        1,
        "nests too deeply",
        {"bundle.toml": setting("version", "[" * 5_000 + "]" * 5_000)},
    ),
]


async def test_a_bundle_that_cannot_be_used_is_refused_where_it_is_wrong(api: Api) -> None:
    """422 with file, line and reason; nothing is stored, and the active bundle stays."""
    before = await api.counts()
    for bad in BUNDLES:
        files = {name: text for name, text in (own_files() | bad.changes).items() if name not in bad.without}
        answer = await propose(api, files)
        assert problem(answer) == (422, "bundle-refused"), (bad.name, answer.text)
        (found,) = answer.json()["errors"]
        assert (found["pointer"], found["file"], found["line"]) == ("/files", bad.file, bad.line), (bad.name, found)
        assert bad.reason in found["reason"], (bad.name, found)
        assert found["reason"]
    assert await api.counts() == before
    assert (await told(api, "operator", f"/v1/bundles/{bundle().digest}"))["state"] == "active"


async def test_files_that_no_bundle_has_are_refused_without_their_names(api: Api) -> None:
    """Unknown names, texts that are none, too many and too long ones: one closed reason at /files, nothing repeated."""
    own = own_files()
    for files in (
        own | {f"{MARKER}.txt": "x"},
        own | {f"../{MARKER.lower()}.cedar": "x"},
        own | {f"{MARKER}.cedar": "x"},
        own | {"a.cedar\n": "x"},
        own | {".cedar": "x"},
        own | {f"{'a' * 61}.cedar": "x"},
        own | {"tenant.cedar": 7},
        own | {"tenant.cedar": None},
        own | {"tenant.cedar": MARKER + "x" * FILE_MAX},
        own | {f"a{number}.cedar": "//" for number in range(FILES_MAX)},
        {},
        [MARKER],
        MARKER,
    ):
        answer = await api.send("counsel", "POST", "/v1/bundles", {"files": files})
        assert problem(answer) == (422, "invalid")
        (found,) = answer.json()["errors"]
        assert found["pointer"] == "/files"
        assert found["reason"].startswith("A bundle's files are texts by name")
        assert MARKER.lower() not in answer.text.lower()


async def test_a_bundle_larger_than_the_service_takes_is_too_large(api: Api) -> None:
    """A complete shipped bundle is a third of the default; beyond the limit nothing is read."""
    whole = json.dumps({"files": whole_files()}).encode()
    assert len(whole) * 2 < BODY_BYTES_MAX
    assert problem(await propose(api, {f"a{n}.cedar": "x" * 90_000 for n in range(3)})) == (413, "body-too-large")
    assert (await api.send("counsel", "POST", "/v1/bundles", content=whole)).status_code == 201


def test_what_a_person_would_write_nests_as_deeply_as_it_may() -> None:
    """Every shipped text passes, one level or character too many does not; strings and comments hide nothing."""
    for name in ("survivor-led", "tip-sharing"):
        nesting.refuse_deep(whole_files(name))
    most = nesting.DEPTH_MAX - 1  # the braces of the condition are one
    nesting.refuse_deep({"a.cedar": _policy("(" * most + "true" + ")" * most)})
    nesting.refuse_deep({"a.cedar": _policy('"' + "(" * 500 + '" == "\\"((" // ' + "(" * 500 + "\n") * 3})
    nesting.refuse_deep({"a.cedar": _policy("1 < 2 && " * 100 + "true")})
    nesting.refuse_deep({"a.csv": "(" * 500})
    exact = "x" * nesting.STATEMENT_MAX
    nesting.refuse_deep({"a.cedar": f"{exact};\n\n{exact};{exact}"})
    for text, line in (
        (_policy("(" * (most + 1)), 4),
        (_policy('"\\"" == ' + "(" * (most + 1)), 4),
        (_policy('")" ' * 3 + "[" * (most + 1)), 4),
        (f"a;\n\n{exact}y;", 3),
        (f"a;\n{exact}//;\n;", 2),
        (f'{exact}";"', 1),
    ):
        with pytest.raises(BundleError) as refused:
            nesting.refuse_deep({"a.cedar": text})
        assert refused.value.line == line, text[:40]
