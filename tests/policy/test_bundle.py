"""Which bundles are refused, with which file, line and reason; and what is a bundle's digest a digest of?"""

import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import cedarpy
import pytest

from tiprouter.domain.outcome import Notice
from tiprouter.policy.annotations import Effect, Layer
from tiprouter.policy.bundle import COMMON_FILES, Bundle, load, shipped
from tiprouter.policy.refusal import BundleError

FILES = [
    "schema.cedarschema",
    "guards.cedar",
    "core.cedar",
    "tenant.cedar",
    "ceiling.cedar",
    "floor.cedar",
    "bundle.toml",
    "duties.csv",
    "golden.csv",
]
CONSENT = '@id("core.consent")'
CHILD = '@id("core.child-report")'
IMPLICATED = '@id("guard.implicated")'
CEILING, FLOOR = '@id("ceiling.consent")', '@id("floor.child-report")'
TEMPLATE = '@id("tenant.any")\n@basis("Any.")\n@cite("None")\npermit (principal == ?principal, action, resource);\n'
MINOR = 'resource.age == AgeBand::"minor" && resource.duty == Duty::"required"'
BACKWARDS = MINOR.replace('resource.age == AgeBand::"minor"', 'Role::"witness" != resource.age')
ACCUSED = '@id("tenant.accused-withheld")'
BASIS = '@basis("An agency the record accuses gets nothing; the duty moves to the next lawful one.")'
ALABAMA, ALASKA = "US-AL,Alabama,child_protection;law_enforcement,,,19,", "US-AK,Alaska,"

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
    ("core.cedar", '@deadline("duty-table")', '@deadlin("duty-table")', CHILD, "@deadlin is not an annotation"),
    ("core.cedar", CHILD, '@cite("x")', '@cite("x")', "duplicate annotation"),
    ("core.cedar", f"{CHILD}\n", "", '@basis("A child\'s', "the policy has no @id"),
    ("core.cedar", CHILD, '@id("Core Child")', '@id("Core Child")', "@id must be lower-case words"),
    ("core.cedar", CONSENT, CHILD, f'{CHILD}\n@basis("The', "@id core.child-report is used twice"),
    ("tenant.cedar", ACCUSED, CONSENT, CONSENT, "@id core.consent is used twice"),
    ("core.cedar", '@cite("The jurisdiction\'s row of the duty table; decision rule 5")\n', "", CHILD, "has no @cite"),
    ("guards.cedar", BASIS, '@basis(" ")', IMPLICATED, "has no @basis"),
    ("guards.cedar", '@cite("Rule 9")', "@cite", IMPLICATED, "has no @cite"),
    ("core.cedar", '"duty-table"', '"24h"', CHILD, "@deadline is neither"),
    ("core.cedar", '"duty-table"', '"P1M"', CHILD, "@deadline is neither"),
    ("core.cedar", '"duty-table"', '"PT0S"', CHILD, "@deadline is neither"),
    ("core.cedar", '"duty-table"', '"P1DT"', CHILD, "@deadline is neither"),
    ("core.cedar", '"duty-table"', '"P99999999999D"', CHILD, "@deadline is neither"),
    ("core.cedar", '@deadline("duty-table")', "@deadline", CHILD, "@deadline is neither"),
    ("core.cedar", '"when_safe"', '"whenever"', CHILD, "@notify_subject must be one of"),
    ("guards.cedar", '@cite("Rule 9")', '@cite("Rule 9")\n@deadline("PT1H")', IMPLICATED, "a forbid carries"),
    ("guards.cedar", "forbid", "permit", IMPLICATED, "a guard only forbids"),
    ("tenant.cedar", ACCUSED, f"{TEMPLATE}{ACCUSED}", '@id("tenant.any")', "a template is never linked"),
    ("ceiling.cedar", '@cite("Rules 4, 8")', '@cite("x")\n@deadline("PT1H")', CEILING, "promise neither"),
    ("floor.cedar", 'AgeBand::"minor"', 'Consent::"granted"', FLOOR, "compares AgeBand with Consent"),
    ("floor.cedar", "resource.duty", "resource.duti", FLOOR, "attribute `duti`"),
    ("bundle.toml", "[protocol]", "extends = 1\n[protocol]", "extends", "extends must be a text"),
    ("schema.cedarschema", "entity Answer enum", "entity Answer enm", None, "error parsing schema"),
    ("schema.cedarschema", '"minor", "unknown"', '"minor", "unknown", "teenager"', None, "vocabularies"),
    ("schema.cedarschema", "basis: Basis,", "basis: Basis, mood: Answer,", None, "exactly the facts"),
    ("schema.cedarschema", "fresh: Bool,", "fresh?: Bool,", None, "exactly the facts"),
    ("schema.cedarschema", "action personal in [disclose];", "action personal;", None, "their groups"),
    ("schema.cedarschema", "action disclose;", "action disclose; action other;", None, "the questions"),
    ("bundle.toml", 'version = "1"', 'version = "1', 'version = "1', "at line 3"),
    ("bundle.toml", "version", "verison", "verison", "verison is not a key"),
    ("bundle.toml", 'version = "1"\n', "", None, "version is missing"),
    ("bundle.toml", 'version = "1"', "version = 1", "version = 1", "version must be a text"),
    ("bundle.toml", "immediately_minutes = 60", "immediately_minutes = true", "immediately_minutes", "whole number"),
    ("bundle.toml", "immediately_minutes = 60", "immediately_minutes = 0", "immediately_minutes", "whole number"),
    ("bundle.toml", "violence_fresh_hours = 12", "violence_fresh_hours = -1", "violence_fresh_hours", "whole number"),
    ("bundle.toml", "[protocol]", "[protocols]", None, "the table protocol is missing"),
    ("bundle.toml", "[protocol]", "[protocol]\nlater = 1", "later", "later is not a key"),
    ("duties.csv", "jurisdiction,name", "name,jurisdiction", None, "the columns must be"),
    ("duties.csv", "child_protection", "child_care", ALASKA, "child_care is not a kind of recipient"),
    ("duties.csv", ",24,,18,", ",-24,,18,", ALASKA, "hours must be a whole number"),
    ("duties.csv", ",24,,18,", ",0,,18,", ALASKA, "hours must be a whole number"),
    ("duties.csv", ",24,,18,", ",24,soon,18,", ALASKA, "written_hours must be a whole number"),
    ("duties.csv", ",19,", ",9,", "US-AL,", "threshold must be an age"),
    ("duties.csv", ",19,false", ",19,no", "US-AL,", "telephone_only must be true or false"),
    ("duties.csv", "US-AL,", "US-AK,", "US-AK,Alabama", "US-AK has two rows"),
    ("duties.csv", "US-AL,", "Alabama,", "Alabama,Alabama", "jurisdiction is not"),
    ("duties.csv", ALABAMA, "US-AL,Alabama,,,,19,", "US-AL,", "a sourced row names at least one receiver"),
    ("duties.csv", ALABAMA, "US-AL,child_protection,,,19,", "US-AL,", "does not have 12 cells"),
    ("golden.csv", "name,facts", "facts,name", None, "the columns must be"),
    ("golden.csv", "\nbase,", "\nfirst,", "first,", "the first row must be called base"),
    ("golden.csv", ";basis=none;", ";", "base,", r"missing: \['basis'\]"),
    ("golden.csv", "adult withdrew,", "base,", "base,consent=withdrawn", "two rows are called base"),
    ("golden.csv", "withdrawn,WITHHOLD", "withdrawn,WITHHELD", "adult withdrew", "outcome: WITHHELD is not one of"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "old", "new", "where", "reason"), REFUSED, ids=[f"{row[0]}-{row[4]}" for row in REFUSED]
)
def test_a_faulty_bundle_is_refused_where_the_fault_is(
    folder: Path, file: str, old: str, new: str, where: str | None, reason: str
) -> None:
    """One fault in a sound bundle: it is not loaded, and file, line and reason are named."""
    text = (folder / file).read_text()
    assert old in text, "the story no longer changes anything"
    spoilt = text.replace(old, new, 1)
    (folder / file).write_text(spoilt)
    with pytest.raises(BundleError) as refused:
        load(folder)
    line = 1 if where is None else spoilt.count("\n", 0, spoilt.index(where)) + 1
    assert (refused.value.file, refused.value.line) == (file, line)
    assert re.search(reason, refused.value.reason)
    assert str(refused.value) == f"{file}:{line}: {refused.value.reason}"


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (Path.unlink, "the file is missing"),
        (lambda path: path.write_text(" \n"), "the file is empty"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "the file is not UTF-8"),
    ],
    ids=["missing", "empty", "not-text"],
)
def test_a_file_that_says_nothing_is_refused(
    folder: Path, file: str, spoil: Callable[[Path], object], reason: str
) -> None:
    """Every file of a bundle is there and can be read."""
    spoil(folder / file)
    with pytest.raises(BundleError, match=reason) as refused:
        load(folder)
    assert (refused.value.file, refused.value.line) == (file, 1)


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


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """No folder is no bundle, not an empty one."""
    with pytest.raises(BundleError, match="missing"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["unheard-of", "../bundles/survivor-led", "", "survivor-led/."])
def test_only_shipped_bundles_are_found_by_name(name: str) -> None:
    """A name is looked up, never followed as a path."""
    with pytest.raises(BundleError, match="survivor-led"):
        shipped(name)


def test_a_policy_carries_its_note(bundle: Bundle) -> None:
    """Effect, layer, basis, citation, deadline and notice of a policy are known by its id."""
    note = bundle.notes["core.child-report"]
    assert (note.effect, note.layer, note.deadline, note.notify_subject) == (
        Effect.PERMIT,
        Layer.CORE,
        "duty-table",
        Notice.WHEN_SAFE,
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


def test_the_protocol_is_the_files(bundle: Bundle) -> None:
    """Numbers come from `bundle.toml`, in the units their names say."""
    assert bundle.protocol.immediately == timedelta(minutes=60)
    assert bundle.protocol.violence_fresh == timedelta(hours=12)
    assert bundle.protocol.default_threshold == 18


def _reformatted(folder: Path) -> None:
    for path in folder.glob("*.cedar"):
        policies = [f"// Said otherwise.\n{part};\n" for part in path.read_text().split(";\n\n")]
        path.write_text(cedarpy.format_policies("".join(reversed(policies)).replace(";\n;", ";"), line_width=60))
    schema = folder / "schema.cedarschema"
    schema.write_text(str(cedarpy.Schema.from_str(schema.read_text())))
    header, *rows = (folder / "duties.csv").read_text().splitlines(keepends=True)
    (folder / "duties.csv").write_text("".join([header, *reversed(rows)]))
    settings = folder / "bundle.toml"
    settings.write_text("# A comment.\n" + settings.read_text().replace(" = ", "="))


def test_the_digest_is_of_what_is_said_not_how(folder: Path, bundle: Bundle) -> None:
    """Comments, line breaks and order change no digest."""
    _reformatted(folder)
    again = load(folder)
    assert again.digest == bundle.digest
    assert again.notes == bundle.notes
    assert re.fullmatch(r"[0-9a-f]{64}", bundle.digest)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("core.cedar", "resource.fresh", "!resource.fresh"),
        ("core.cedar", "The person consented", "The person has consented"),
        ("core.cedar", "PT24H", "PT23H"),
        ("core.cedar", '@notify_subject("when_safe")\n', ""),
        ("guards.cedar", '@id("guard.unusable")', '@id("guard.suspended")'),
        ("tenant.cedar", '"not_asked"', '"refused"'),
        ("bundle.toml", "= 60", "= 61"),
        ("bundle.toml", "= 12", "= 13"),
        ("bundle.toml", "= 18", "= 19"),
        ("bundle.toml", 'version = "1"', 'version = "2"'),
        ("bundle.toml", 'name = "survivor-led"', 'name = "led"'),
        ("duties.csv", ",24,,18,", ",25,,18,"),
        ("duties.csv", ",19,false", ",19,true"),
        ("duties.csv", "47.17.020", "47.17.021"),
        ("ceiling.cedar", "principal.implicated", "!principal.implicated"),
        ("floor.cedar", "Rule 5", "Rule 6"),
        ("golden.csv", "adult withdrew", "adult has withdrawn"),
        ("golden.csv", ",WITHHOLD,", ",DISCLOSE,"),
    ],
)
def test_any_real_edit_changes_the_digest(folder: Path, bundle: Bundle, file: str, old: str, new: str) -> None:
    """Conditions, annotations, numbers, duties and golden rows are all under the digest."""
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    assert load(folder).digest != bundle.digest


def test_moving_a_policy_to_another_layer_changes_the_digest(folder: Path, bundle: Bundle) -> None:
    """A guard that became the tenant's could be dropped by the tenant."""
    guards, tenant = folder / "guards.cedar", folder / "tenant.cedar"
    first, _, rest = guards.read_text().partition(";\n\n@id")
    guards.write_text(f"@id{rest}")
    tenant.write_text(f"{tenant.read_text()}\n{first};\n")
    moved = load(folder)
    assert moved.notes.keys() == bundle.notes.keys()
    assert moved.digest != bundle.digest


def test_an_extending_bundle_has_the_common_files_of_the_other(bundle: Bundle, tip_sharing: Bundle) -> None:
    """Guards, core and duties are one copy; only the tenant's layer, the promises and the table are its own."""
    common = {name: note for name, note in bundle.notes.items() if note.layer is not Layer.TENANT}
    assert {name: note for name, note in tip_sharing.notes.items() if note.layer is not Layer.TENANT} == common
    assert tip_sharing.protocol == bundle.protocol
    assert tip_sharing.digest != bundle.digest


def test_a_full_copy_of_an_extending_bundle_is_the_same_bundle(tip_sharing_folder: Path, tip_sharing: Bundle) -> None:
    """Where a file stands is not what it says: written out in full, the digest is the same."""
    for file in COMMON_FILES:
        shutil.copy(shipped("survivor-led") / file, tip_sharing_folder)
    settings = tip_sharing_folder / "bundle.toml"
    settings.write_text(re.sub(r"extends = .*\n", "", settings.read_text()))
    assert load(tip_sharing_folder).digest == tip_sharing.digest


@pytest.mark.parametrize("file", COMMON_FILES)
def test_a_common_file_stated_twice_is_refused(tip_sharing_folder: Path, file: str) -> None:
    """A second copy would say something that nobody reads, or silently win."""
    shutil.copy(shipped("survivor-led") / file, tip_sharing_folder)
    with pytest.raises(BundleError, match="stated twice") as refused:
        load(tip_sharing_folder)
    assert refused.value.file == file


def test_only_a_shipped_bundle_can_be_extended(tip_sharing_folder: Path) -> None:
    """The common files come with the product, never from a path."""
    settings = tip_sharing_folder / "bundle.toml"
    settings.write_text(settings.read_text().replace('"survivor-led"', '"../survivor-led"'))
    with pytest.raises(BundleError, match="no such bundle is shipped"):
        load(tip_sharing_folder)


def test_promises_decide_nothing(bundle: Bundle, folder: Path) -> None:
    """The ceiling and the floor are read and kept, but no policy of theirs is asked."""
    assert {policy.note.layer for policy in bundle.ceiling} == {Layer.CEILING}
    assert {policy.note.layer for policy in bundle.floor} == {Layer.FLOOR}
    assert not {policy.note.id for policy in (*bundle.ceiling, *bundle.floor)} & set(bundle.notes)
    (folder / "ceiling.cedar").write_text("// Nothing.\n")
    with pytest.raises(BundleError, match="not trivially safe"):
        load(folder)
