"""Which bundles are refused, with which file, line and reason; and what is a bundle's digest a digest of?"""

import csv
import io
import re
import shutil
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import cedarpy
import pytest

from tiprouter.domain.outcome import Notice
from tiprouter.domain.vocabulary import Bound
from tiprouter.policy import duties, territories
from tiprouter.policy.annotations import Effect, Layer
from tiprouter.policy.bundle import Bundle, engine_versions, load, read
from tiprouter.policy.files import shipped
from tiprouter.policy.refusal import BundleError
from tiprouter.policy.settings import BundleSettings

DUTIES = """\
id,jurisdiction,binds,subject,perpetrator,receivers,hours,channel,written,written_clock,written_when,threshold,\
effective_from,effective_until,source,source_date,verified_on,confidence,citation,note
us-al,US-AL,mandated_reporter,child_maltreatment,,child_protection|law_enforcement,24,telephone,36h,received,always,19,\
,,https://law.example/al,2026,2026-11-21,high,Example Code 1,Fictional.
us-tx,US-TX,anyone,child_maltreatment,caretaker,child_protection & law_enforcement,,any,,,,18,2025-06-20,,\
https://law.example/tx,2026,2026-11-21,medium,Example Code 2,
"""
PLACES = """\
code,name,zone,minor_alone,source
US-AL,Alabama,America/Chicago,false,Example Code 2
US-TX,Texas,America/Denver,true,Example Code 3
"""
CONSENT = '@id("core.consent")'
CHILD = '@id("core.child-report")'
IMPLICATED = '@id("guard.implicated")'
CEILING, FLOOR = '@id("ceiling.consent")', '@id("floor.child-report")'
TEMPLATE = '@id("tenant.any")\n@basis("Any.")\n@cite("None")\npermit (principal == ?principal, action, resource);\n'
MINOR = 'resource.age == AgeBand::"minor" && resource.duty == Duty::"required"'
BACKWARDS = MINOR.replace('resource.age == AgeBand::"minor"', 'Role::"witness" != resource.age')
ACCUSED = '@id("tenant.accused-withheld")'
BASIS = '@basis("An agency the record accuses gets nothing; the duty moves to the next lawful one.")'
ALABAMA, TEXAS = "us-al,US-AL,", "us-tx,US-TX,"
NOTICE = '@notify_subject("when_safe")'
# File, what is replaced (its first occurrence), by what, the text whose line is named (None: line 1), the reason.
REFUSED = [
    ("core.cedar", MINOR, MINOR.replace("==", "=", 1), CHILD, "'=' is not a valid operator"),
    ("core.cedar", MINOR, MINOR.replace("age", "agee"), CHILD, "attribute `agee` on entity type `Person` not found"),
    ("core.cedar", MINOR, MINOR.replace("minor", "minr"), CHILD, "not declared as a valid eid"),
    ("core.cedar", MINOR, MINOR.replace('AgeBand::"minor"', '"minor"'), CHILD, "not compatible"),
    ("core.cedar", MINOR, MINOR.replace("AgeBand", "Band"), CHILD, "compares AgeBand with Band"),
    ("core.cedar", 'Action::"report"', 'Action::"reprot"', CHILD, "unrecognized action"),
    ("core.cedar", MINOR, MINOR.replace('AgeBand::"minor"', 'Consent::"granted"'), CHILD, "compares AgeBand with Con"),
    ("core.cedar", MINOR, MINOR.replace('== AgeBand::"minor"', 'in Role::"witness"'), CHILD, "AgeBand with Role"),
    ("core.cedar", MINOR, BACKWARDS, CHILD, "it compares AgeBand with Role"),
    ("core.cedar", MINOR, f"resource.age is Role && {MINOR}", CHILD, "whether AgeBand is Role"),
    ("core.cedar", NOTICE, '@deadlin("PT1H")', CHILD, "@deadlin is not an annotation"),
    ("core.cedar", CHILD, '@cite("x")', '@cite("x")', "duplicate annotation"),
    ("core.cedar", f"{CHILD}\n", "", '@basis("A child\'s', "the policy has no @id"),
    ("core.cedar", CHILD, '@id("Core Child")', '@id("Core Child")', "@id must be lower-case words"),
    ("tenant.cedar", ACCUSED, '@id("duty.us-ca")', '@id("duty.us-ca")', "these are the router's own"),
    ("tenant.cedar", ACCUSED, '@id("signaler.unnamed")', '@id("signaler.unnamed")', "these are the router's own"),
    ("core.cedar", CONSENT, CHILD, f'{CHILD}\n@basis("The', "@id core.child-report is used twice"),
    ("tenant.cedar", ACCUSED, CONSENT, CONSENT, "@id core.consent is used twice"),
    ("core.cedar", '@cite("The jurisdiction\'s row of the duty table; decision rule 5")\n', "", CHILD, "has no @cite"),
    ("guards.cedar", BASIS, '@basis(" ")', IMPLICATED, "has no @basis"),
    ("guards.cedar", '@cite("Rule 9")', "@cite", IMPLICATED, "has no @cite"),
    ("core.cedar", NOTICE, '@deadline("24h")', CHILD, "@deadline is not an ISO 8601 duration"),
    ("core.cedar", NOTICE, '@deadline("P1M")', CHILD, "@deadline is not"),
    ("core.cedar", NOTICE, '@deadline("PT0S")', CHILD, "@deadline is not"),
    ("core.cedar", NOTICE, '@deadline("P1DT")', CHILD, "@deadline is not"),
    ("core.cedar", NOTICE, '@deadline("P99999999999D")', CHILD, "@deadline is not"),
    ("core.cedar", NOTICE, '@deadline("duty-table")', CHILD, "@deadline is not"),
    ("core.cedar", NOTICE, "@deadline", CHILD, "@deadline is not"),
    ("core.cedar", NOTICE, '@written("3w")', CHILD, "@written is not a span such as"),
    ("core.cedar", NOTICE, '@written("3 bd")', CHILD, "@written is not a span"),
    ("core.cedar", NOTICE, "@written", CHILD, "@written is not a span"),
    ("core.cedar", NOTICE, '@second_person("identity name")', CHILD, "@second_person must name some of incident, "),
    ("core.cedar", NOTICE, '@second_person(" ")', CHILD, "@second_person must name some of"),
    ("core.cedar", NOTICE, "@second_person", CHILD, "@second_person must name some of"),
    ("core.cedar", NOTICE, '@secondperson("identity")', CHILD, "@secondperson is not an annotation"),
    ("guards.cedar", '@cite("Rule 9")', '@cite("Rule 9")\n@second_person("contact")', IMPLICATED, "a forbid"),
    ("core.cedar", NOTICE, '@channel("fax")', CHILD, "@channel must be one of any, .*telephone"),
    ("core.cedar", NOTICE, "@channel", CHILD, "@channel must be one of"),
    ("core.cedar", '"when_safe"', '"whenever"', CHILD, "@notify_subject must be one of"),
    ("guards.cedar", '@cite("Rule 9")', '@cite("Rule 9")\n@deadline("PT1H")', IMPLICATED, "a forbid carries"),
    ("guards.cedar", '@cite("Rule 9")', '@cite("Rule 9")\n@channel("oral")', IMPLICATED, "no .*@channel"),
    ("guards.cedar", '@cite("Rule 9")', '@cite("Rule 9")\n@written("5d")', IMPLICATED, "forbid .*@written"),
    ("tenant.cedar", ACCUSED, f'@notify_subject("required")\n{ACCUSED}', "@notify_subject", "a forbid carries"),
    ("guards.cedar", "forbid", "permit", IMPLICATED, "a guard only forbids"),
    ("tenant.cedar", ACCUSED, f"{TEMPLATE}{ACCUSED}", '@id("tenant.any")', "a template is never linked"),
    ("ceiling.cedar", '@cite("Rules 4, 8")', '@cite("x")\n@deadline("PT1H")', CEILING, "promise neither"),
    ("ceiling.cedar", '@cite("Rules 4, 8")', '@cite("x")\n@channel("oral")', CEILING, "promise neither"),
    ("floor.cedar", '@cite("Rule 5")', '@cite("x")\n@written("5d")', FLOOR, "promise neither"),
    ("floor.cedar", 'AgeBand::"minor"', 'Consent::"granted"', FLOOR, "compares AgeBand with Consent"),
    ("floor.cedar", "resource.duty", "resource.duti", FLOOR, "attribute `duti`"),
    ("schema.cedarschema", "entity Answer enum", "entity Answer enm", None, "error parsing schema"),
    ("schema.cedarschema", '"minor", "unknown"', '"minor", "unknown", "teenager"', None, "vocabularies"),
    ("schema.cedarschema", "basis: Basis,", "basis: Basis, mood: Answer,", None, "exactly the facts"),
    ("schema.cedarschema", "fresh: Bool,", "fresh?: Bool,", None, "exactly the facts"),
    ("schema.cedarschema", "action personal in [disclose];", "action personal;", None, "their groups"),
    ("schema.cedarschema", "action disclose;", "action disclose; action other;", None, "the questions"),
    ("duties.csv", "jurisdiction,binds", "binds,jurisdiction", None, "the columns must be"),
    ("duties.csv", "child_protection", "child_care", ALABAMA, "child_care is not a kind of recipient"),
    ("duties.csv", "|law_enforcement", "|child_protection", ALABAMA, "names a kind twice"),
    ("duties.csv", "& law_enforcement", "& child_protection", TEXAS, "has a part twice"),
    ("duties.csv", "mandated_reporter", "everybody", ALABAMA, "binds must be one of anyone, "),
    ("duties.csv", "child_maltreatment", "child", ALABAMA, "subject must be one of"),
    ("duties.csv", ",caretaker,", ",parent,", TEXAS, "perpetrator must be one of caretaker, other"),
    ("duties.csv", ",24,", ",0,", ALABAMA, "hours must be a whole number"),
    ("duties.csv", ",telephone,", ",fax,", ALABAMA, "channel must be one of"),
    ("duties.csv", ",36h,", ",36,", ALABAMA, "written must be a length of time"),
    ("duties.csv", ",36h,", ",,", ALABAMA, "written must be a length of time"),
    ("duties.csv", ",received,", ",sometime,", ALABAMA, "written_clock must be one of"),
    ("duties.csv", ",19,", ",9,", ALABAMA, "threshold must be an age"),
    ("duties.csv", "2025-06-20", "20 June 2025", TEXAS, "effective_from must be a date"),
    ("duties.csv", "2026-11-21", "2026-02-30", ALABAMA, "verified_on must be a date"),
    ("duties.csv", ",high,", ",certain,", ALABAMA, "confidence must be one of"),
    ("duties.csv", "Example Code 1", "", ALABAMA, "names at least one receiver, its source and its citation"),
    ("duties.csv", TEXAS, "us-al,US-AL,", "us-al,US-AL,anyone", "us-al is the id of two rows"),
    ("duties.csv", ALABAMA, "us-al,Alabama,", "us-al,Alabama", "jurisdiction is not"),
    ("duties.csv", ALABAMA, "us-ga,US-AL,", "us-ga,US-AL", "id must be us-al"),
    ("duties.csv", ",Fictional.", "", ALABAMA, "does not have 20 cells"),
    ("jurisdictions.csv", "code,name", "name,code", None, "the columns must be"),
    ("jurisdictions.csv", "US-TX,", "US-AL,", "US-AL,Texas", "US-AL has two rows"),
    ("jurisdictions.csv", "US-TX,", "Texas,", "Texas,Texas", "code is not"),
    ("jurisdictions.csv", "Texas", " ", "US-TX", "name must be a text"),
    ("jurisdictions.csv", "America/Denver", "America/Dallas", "US-TX", "zone: America/Dallas is not a time zone"),
    ("jurisdictions.csv", "America/Denver", "../Denver", "US-TX", "zone: ../Denver is not the name"),
    ("jurisdictions.csv", ",true,", ",yes,", "US-TX", "minor_alone must be true or false"),
    ("jurisdictions.csv", "Example Code 3", "", "US-TX", "minor_alone needs a source"),
    ("golden.csv", "name,facts", "facts,name", None, "the columns must be"),
    ("golden.csv", "\nbase,", "\nfirst,", "first,", "the first row must be called base"),
    ("golden.csv", ";basis=none;", ";", "base,", r"missing: \['basis'\]"),
    ("golden.csv", "adult withdrew,", "base,", "base,consent=withdrawn", "two rows are called base"),
    ("golden.csv", "withdrawn,WITHHOLD", "withdrawn,WITHHELD", "adult withdrew", "outcome: WITHHELD is not one of"),
]  # fmt: skip


@pytest.fixture
def small(folder: Path) -> Path:
    """The shipped bundle's folder with a table of two duties: read sooner, and nobody's law."""
    (folder / "duties.csv").write_text(DUTIES)
    (folder / "jurisdictions.csv").write_text(PLACES)
    return folder


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle of such a folder."""
    folder = Path(shutil.copytree(shipped("survivor-led"), tmp_path_factory.mktemp("little") / "bundle"))
    (folder / "duties.csv").write_text(DUTIES)
    (folder / "jurisdictions.csv").write_text(PLACES)
    return load(folder)


@pytest.mark.parametrize(
    ("file", "old", "new", "where", "reason"), REFUSED, ids=[f"{row[0]}-{row[4]}" for row in REFUSED]
)
def test_a_faulty_bundle_is_refused_where_the_fault_is(
    small: Path, file: str, old: str, new: str, where: str | None, reason: str
) -> None:
    """One fault in a sound bundle: it is not loaded, and file, line and reason are named."""
    text = (small / file).read_text()
    assert old in text, "the story no longer changes anything"
    spoilt = text.replace(old, new, 1)
    (small / file).write_text(spoilt)
    with pytest.raises(BundleError) as refused:
        load(small)
    line = 1 if where is None else spoilt.count("\n", 0, spoilt.index(where)) + 1
    assert (refused.value.file, refused.value.line) == (file, line)
    assert re.search(reason, refused.value.reason)
    assert str(refused.value) == f"{file}:{line}: {refused.value.reason}"


@pytest.mark.parametrize("file", ["guards.cedar", "core.cedar", "tenant.cedar", "later.cedar"])
def test_a_layer_without_a_policy_is_refused(folder: Path, file: str) -> None:
    """An empty bundle is refused, not trivially safe: comments guard nobody."""
    (folder / file).write_text("// To be written; soon.\n")
    with pytest.raises(BundleError, match="not trivially safe") as refused:
        load(folder)
    assert refused.value.file == file


def test_an_unfinished_last_policy_is_refused(folder: Path) -> None:
    """Text after the last semicolon is not dropped."""
    with (folder / "tenant.cedar").open("a") as file:
        file.write("\npermit (principal, action, resource)")
    with pytest.raises(BundleError, match="unexpected end of input"):
        load(folder)


def test_a_policy_carries_its_note(bundle: Bundle) -> None:
    """Effect, layer, basis, citation, deadline and notice of a policy are known by its id."""
    note = bundle.notes["core.child-report"]
    assert (note.effect, note.layer, note.deadline, note.notify_subject, note.channel, note.written) == (
        Effect.PERMIT,
        Layer.CORE,
        None,
        Notice.WHEN_SAFE,
        None,
        None,
    )
    assert bundle.notes["core.danger-report"].deadline == timedelta(minutes=15)
    assert bundle.notes["guard.implicated"].layer is Layer.GUARDS
    assert all(each.basis and each.cite for each in bundle.notes.values())
    assert list(bundle.notes) == sorted(bundle.notes)


def test_a_further_file_is_the_tenants(folder: Path) -> None:
    """Whatever a tenant adds stands in the tenant's layer."""
    (folder / "ours.cedar").write_text(
        '@id("tenant.ours")\n@basis("Ours.")\n@cite("Us")\n@deadline("P1DT2H3M4S")\n'
        'permit (principal, action == Action::"review", resource);\n'
    )
    note = load(folder).notes["tenant.ours"]
    assert note.layer is Layer.TENANT
    assert note.deadline == timedelta(days=1, hours=2, minutes=3, seconds=4)


def test_the_protocol_is_the_files(bundle: Bundle, little: Bundle) -> None:
    """Numbers come from `bundle.toml`, in the units their names say, and tables from theirs."""
    assert bundle.protocol.immediately == timedelta(minutes=60)
    assert bundle.protocol.violence_fresh == timedelta(hours=12)
    assert bundle.protocol.default_threshold == 18
    assert bundle.protocol.stale_after == timedelta(days=730)
    assert bundle.protocol.bound_as == {Bound.ANYONE, Bound.MANDATED_REPORTER}
    assert str(bundle.protocol.default_zone) == "Pacific/Pago_Pago"
    assert bundle.third_party == "withheld"
    assert {code: [row.id for row in rows] for code, rows in little.protocol.rows.items()} == {
        "US-AL": ["us-al"],
        "US-TX": ["us-tx"],
    }
    assert little.protocol.territories["US-TX"].minor_alone
    assert set(little.slices) == {"us-al", "us-tx"}


def _reversed(table: Path) -> None:
    header, *rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join([header, *reversed(rows)]))


def _reformatted(folder: Path) -> None:
    for path in folder.glob("*.cedar"):
        policies = [f"// Said otherwise.\n{part};\n" for part in path.read_text().split(";\n\n")]
        path.write_text(cedarpy.format_policies("".join(reversed(policies)).replace(";\n;", ";"), line_width=60))
    schema = folder / "schema.cedarschema"
    schema.write_text(str(cedarpy.Schema.from_str(schema.read_text())))
    _reversed(folder / "duties.csv")
    _reversed(folder / "jurisdictions.csv")
    settings = folder / "bundle.toml"
    text = (
        settings.read_text()
        .replace(" = ", "=")
        .replace('"anyone", "mandated_reporter"', '"mandated_reporter", "anyone"')
    )
    settings.write_text("# A comment.\n" + text)


def test_the_digest_is_of_what_is_said_not_how(small: Path, little: Bundle) -> None:
    """Comments, line breaks and order change no digest."""
    _reformatted(small)
    again = load(small)
    assert again.files != little.files
    assert again.digest == little.digest
    assert again.notes == little.notes
    assert re.fullmatch(r"[0-9a-f]{64}", little.digest)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("core.cedar", "resource.fresh", "!resource.fresh"),
        ("core.cedar", "The person consented", "The person has consented"),
        ("core.cedar", "PT24H", "PT23H"),
        ("core.cedar", f"{NOTICE}\n", ""),
        ("core.cedar", NOTICE, f'{NOTICE}\n@written("3bd")'),
        ("core.cedar", NOTICE, f'{NOTICE}\n@channel("telephone")'),
        ("guards.cedar", '@id("guard.unusable")', '@id("guard.suspended")'),
        ("tenant.cedar", '"not_asked"', '"refused"'),
        ("bundle.toml", "= 60", "= 61"),
        ("bundle.toml", "= 12", "= 13"),
        ("bundle.toml", "= 18", "= 19"),
        ("bundle.toml", "= 730", "= 731"),
        ("bundle.toml", 'version = "2"', 'version = "3"'),
        ("bundle.toml", 'name = "survivor-led"', 'name = "led"'),
        ("bundle.toml", "Adults decide", "Adults may decide"),
        ("bundle.toml", 'third_party = "withheld"', 'third_party = "own"'),
        ("bundle.toml", '"anyone", "mandated_reporter"', '"anyone"'),
        ("bundle.toml", "Pacific/Pago_Pago", "Pacific/Midway"),
        ("ceiling.cedar", "principal.implicated", "!principal.implicated"),
        ("floor.cedar", "Rule 5", "Rule 6"),
        ("golden.csv", "adult withdrew", "adult has withdrawn"),
        ("golden.csv", ",WITHHOLD,", ",DISCLOSE,"),
        ("golden.csv", "by=1440m", "by=1441m"),
        ("golden.csv", "adult withdrew,consent", "adult withdrew,rows=us-al;consent"),
    ],
)
def test_any_real_edit_changes_the_digest(small: Path, little: Bundle, file: str, old: str, new: str) -> None:
    """Conditions, annotations, numbers and golden rows are all under the digest."""
    text = (small / file).read_text()
    assert old in text
    (small / file).write_text(text.replace(old, new, 1))
    assert load(small).digest != little.digest


# A table's first row -> each column's other value, and what must change with it for the row to be sound.
OTHER_CELLS: dict[str, dict[str, dict[str, str]]] = {
    "duties.csv": {
        "id": {"id": "us-al.other"},
        "jurisdiction": {"jurisdiction": "US-GA", "id": "us-ga"},
        "binds": {"binds": "anyone"},
        "subject": {"subject": "child_trafficking"},
        "perpetrator": {"perpetrator": "other"},
        "receivers": {"receivers": "child_protection & law_enforcement"},
        "hours": {"hours": ""},
        "channel": {"channel": "oral"},
        "written": {"written": "3bd"},
        "written_clock": {"written_clock": "reported"},
        "written_when": {"written_when": "after_oral"},
        "threshold": {"threshold": "18"},
        "effective_from": {"effective_from": "2020-01-01"},
        "effective_until": {"effective_until": "2040-01-01"},
        "source": {"source": "https://law.example/other"},
        "source_date": {"source_date": "2025"},
        "verified_on": {"verified_on": "2026-11-20"},
        "confidence": {"confidence": "low"},
        "citation": {"citation": "Example Code 9"},
        "note": {"note": "Still fictional."},
    },
    "jurisdictions.csv": {
        "code": {"code": "US-GA"},
        "name": {"name": "Example State"},
        "zone": {"zone": "America/New_York"},
        "minor_alone": {"minor_alone": "true"},
        "source": {"source": "Example Code 5"},
    },
}


@pytest.mark.parametrize(
    ("file", "column"), [(file, column) for file, columns in OTHER_CELLS.items() for column in columns]
)
def test_any_other_cell_changes_the_digest(small: Path, little: Bundle, file: str, column: str) -> None:
    """Every column of the duty table and of the jurisdictions: a row's note too, because it is what counsel read."""
    table = list(csv.DictReader(io.StringIO((small / file).read_text())))
    table[0] |= OTHER_CELLS[file][column]
    with (small / file).open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    assert load(small).digest != little.digest


def test_every_column_and_every_setting_was_changed() -> None:
    """A new column or number must be under the digest too, and here."""
    assert set(OTHER_CELLS["duties.csv"]) == set(duties.COLUMNS)
    assert set(OTHER_CELLS["jurisdictions.csv"]) == set(territories.COLUMNS)
    assert len(fields(BundleSettings)) == 11  # ten of them above; `extends` is where a file stands, not what it says


def test_the_digest_is_no_engines(little: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What counsel approved keeps its name when Cedar is upgraded; which Cedar decides is said beside it."""
    told = engine_versions()
    upgraded = tmp_path / "cedarpy-99.0.dist-info"
    upgraded.mkdir()
    (upgraded / "METADATA").write_text("Metadata-Version: 2.1\nName: cedarpy\nVersion: 99.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "cedarpy 99.0" in engine_versions() != told
    assert read(little.files).digest == little.digest


def test_moving_a_policy_to_another_layer_changes_the_digest(small: Path, little: Bundle) -> None:
    """A guard that became the tenant's could be dropped by the tenant."""
    guards, tenant = small / "guards.cedar", small / "tenant.cedar"
    first, _, rest = guards.read_text().partition(";\n\n@id")
    guards.write_text(f"@id{rest}")
    tenant.write_text(f"{tenant.read_text()}\n{first};\n")
    moved = load(small)
    assert moved.notes.keys() == little.notes.keys()
    assert moved.digest != little.digest


def test_promises_decide_nothing(bundle: Bundle, folder: Path) -> None:
    """The ceiling and the floor are read and kept, but no policy of theirs is asked."""
    assert {policy.note.layer for policy in bundle.ceiling} == {Layer.CEILING}
    assert {policy.note.layer for policy in bundle.floor} == {Layer.FLOOR}
    assert not {policy.note.id for policy in (*bundle.ceiling, *bundle.floor)} & set(bundle.notes)
    (folder / "ceiling.cedar").write_text("// Nothing.\n")
    with pytest.raises(BundleError, match="not trivially safe"):
        load(folder)
