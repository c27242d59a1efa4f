"""Where do a bundle's files come from?"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tiprouter.policy.annotations import Layer
from tiprouter.policy.bundle import Bundle, load, read
from tiprouter.policy.files import COMMON_FILES, OWN_FILES, complete, files_of, shipped, shipped_names, text_in
from tiprouter.policy.refusal import BundleError

FILES = (*COMMON_FILES, *OWN_FILES)


def test_two_bundles_come_with_the_product() -> None:
    """Rule 1: the two sides of the dispute, and every file of each is there."""
    assert shipped_names() == ["survivor-led", "tip-sharing"]
    for name in shipped_names():
        assert set(files_of(shipped(name))) == set(FILES)


@pytest.mark.parametrize("name", ["unheard-of", "../bundles/survivor-led", "", ".", "survivor-led/.", "survivor-led/"])
def test_only_shipped_bundles_are_found_by_name(name: str) -> None:
    """Rule 1: a name is looked up, never followed as a path."""
    with pytest.raises(BundleError, match="no such bundle is shipped; there are: survivor-led, tip-sharing"):
        shipped(name)


def test_what_is_no_file_of_a_bundle_is_not_read(folder: Path, bundle: Bundle) -> None:
    """Rule 1: a note beside the policies belongs to nobody; a further layer belongs to the tenant."""
    (folder / "notes.md").write_text("Nobody reads this.")
    (folder / "duties.csv.orig").write_text("Nor this.")
    assert files_of(folder) == bundle.files
    (folder / "later.cedar").write_text("// To be read.")
    assert files_of(folder) == {**bundle.files, "later.cedar": "// To be read."}


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


@pytest.mark.parametrize("file", FILES)
def test_texts_without_one_of_the_files_are_refused(bundle: Bundle, file: str) -> None:
    """The same of what somebody proposes: there is no folder to look into."""
    texts = dict(bundle.files)
    del texts[file]
    with pytest.raises(BundleError, match="the file is missing") as refused:
        read(texts)
    assert refused.value.file == file
    with pytest.raises(BundleError, match="the file is empty"):
        text_in({**texts, file: "\n\t "}, file)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """No folder is no bundle, not an empty one."""
    with pytest.raises(BundleError, match="missing"):
        load(tmp_path / "nowhere")


def test_a_folder_in_a_files_place_is_refused(folder: Path) -> None:
    """What cannot be read is not skipped."""
    (folder / "later.cedar").mkdir()
    with pytest.raises(BundleError, match="cannot be read") as refused:
        load(folder)
    assert refused.value.file == "later.cedar"


def test_an_extending_bundle_has_the_common_files_of_the_other(bundle: Bundle, tip_sharing: Bundle) -> None:
    """Rule 2: guards, core and duties are one copy; only the tenant's layer, the promises and the table are its own."""
    common = {name: note for name, note in bundle.notes.items() if note.layer is not Layer.TENANT}
    assert {name: note for name, note in tip_sharing.notes.items() if note.layer is not Layer.TENANT} == common
    assert tip_sharing.protocol == bundle.protocol
    assert tip_sharing.slices.keys() == bundle.slices.keys()
    assert tip_sharing.digest != bundle.digest


def test_what_extends_nothing_is_complete_already(bundle: Bundle) -> None:
    """Rule 2: a copy, so that nobody changes what was handed over."""
    again = complete(bundle.files)
    assert again == bundle.files
    assert again is not bundle.files


def test_a_stored_copy_of_an_extending_bundle_is_complete_and_reads_the_same(tip_sharing: Bundle) -> None:
    """Rule 2: what was approved is in the copy to the last file, and needs the product's own bundle no more."""
    own = {name: text for name, text in tip_sharing.files.items() if name not in COMMON_FILES}
    stored = complete(own)
    assert stored == tip_sharing.files
    again = read(stored)
    assert (again.digest, again.notes, again.golden) == (tip_sharing.digest, tip_sharing.notes, tip_sharing.golden)
    assert again.files == stored
    later = {**stored, "core.cedar": stored["core.cedar"].replace("PT24H", "PT23H")}
    assert read(later).digest != tip_sharing.digest


def test_a_full_copy_of_an_extending_bundle_is_the_same_bundle(tip_sharing_folder: Path, tip_sharing: Bundle) -> None:
    """Where a file stands is not what it says: written out in full, the digest is the same."""
    for file in COMMON_FILES:
        shutil.copy(shipped("survivor-led") / file, tip_sharing_folder)
    settings = tip_sharing_folder / "bundle.toml"
    settings.write_text(re.sub(r"extends = .*\n", "", settings.read_text()))
    assert load(tip_sharing_folder).digest == tip_sharing.digest


@pytest.mark.parametrize("file", COMMON_FILES)
def test_a_common_file_stated_twice_is_refused(tip_sharing_folder: Path, file: str) -> None:
    """Rule 2: a second copy would say something that nobody reads, or silently win."""
    shutil.copy(shipped("survivor-led") / file, tip_sharing_folder)
    with pytest.raises(BundleError, match=r"the file comes from survivor-led.* stated twice") as refused:
        load(tip_sharing_folder)
    assert refused.value.file == file


@pytest.mark.parametrize("name", ["../survivor-led", "survivor-led/.", "mine"])
def test_only_a_shipped_bundle_can_be_extended(tip_sharing_folder: Path, name: str) -> None:
    """The common files come with the product, never from a path."""
    settings = tip_sharing_folder / "bundle.toml"
    settings.write_text(settings.read_text().replace('"survivor-led"', f'"{name}"'))
    with pytest.raises(BundleError, match="no such bundle is shipped"):
        load(tip_sharing_folder)
