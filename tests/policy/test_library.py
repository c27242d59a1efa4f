"""Where is the engine of a bundle that was loaded before?"""

import threading
from dataclasses import replace

import pytest

from tiprouter.policy.bundle import Bundle, engine_versions
from tiprouter.policy.engine import Engine
from tiprouter.policy.library import AlteredBundleError, Library, files_digest

from .facts_strategy import BASE

OTHERS = "cedarpy 0.0; tzdata 0.0"


def _called(bundle: Bundle, digest: str) -> Bundle:
    return replace(bundle, digest=digest)


def test_an_engine_is_kept_and_found_by_its_digest(bundle: Bundle, tip_sharing: Bundle) -> None:
    """Rule 1: the same engine, with its memory; of another bundle there is none."""
    library = Library()
    engine = library.keep(bundle)
    assert library.find(bundle.digest) is engine
    assert library.keep(bundle) is engine
    assert library.find(tip_sharing.digest) is None
    assert engine.bundle is bundle


def test_the_longest_unused_is_forgotten_first(bundle: Bundle) -> None:
    """Rule 1: so many are kept; asking for one is using it."""
    library = Library(kept=2)
    first, second = (library.keep(_called(bundle, name)) for name in ("one", "two"))
    assert library.find("one") is first
    library.keep(_called(bundle, "three"))
    assert library.find("two") is None
    assert library.find("one") is first
    assert library.keep(_called(bundle, "two")) is not second


def test_a_stored_bundle_is_opened_once(bundle: Bundle) -> None:
    """Rule 1: the second time nothing is read, not even texts that are no bundle."""
    library = Library()
    engine = library.open(bundle.digest, bundle.files, files_digest(bundle.files), engine_versions())
    assert engine.bundle.digest == bundle.digest
    assert engine.rule(BASE) == Engine(bundle).rule(BASE)
    assert library.open(bundle.digest, {}, "", "") is engine


@pytest.mark.parametrize("versions", [engine_versions(), OTHERS], ids=["these-versions", "other-versions"])
@pytest.mark.parametrize(
    ("old", "new"), [("PT24H", "PT23H"), ("// What must be told", "// What should be told")], ids=["policy", "comment"]
)
def test_altered_texts_are_refused(bundle: Bundle, versions: str, old: str, new: str) -> None:
    """Rule 2: to the byte, whatever versions stored them; and nothing of them is kept."""
    library, texts = Library(), dict(bundle.files)
    assert old in texts["core.cedar"]
    texts["core.cedar"] = texts["core.cedar"].replace(old, new, 1)
    with pytest.raises(AlteredBundleError):
        library.open(bundle.digest, texts, files_digest(bundle.files), versions)
    assert library.find(bundle.digest) is None


def test_texts_that_were_altered_with_their_digest_are_refused(bundle: Bundle) -> None:
    """Rule 2: whoever can write both columns cannot write the name that was approved, under the same versions."""
    texts = {**bundle.files, "core.cedar": bundle.files["core.cedar"].replace("PT24H", "PT23H", 1)}
    with pytest.raises(AlteredBundleError):
        Library().open(bundle.digest, texts, files_digest(texts), engine_versions())


def test_a_bundle_of_other_versions_keeps_its_name(bundle: Bundle) -> None:
    """Rule 2: an upgraded Cedar may compute another digest of the same texts; the approval is of the old one."""
    library = Library()
    engine = library.open("approved-then", bundle.files, files_digest(bundle.files), OTHERS)
    assert engine.bundle.digest == "approved-then"
    assert library.find("approved-then") is engine
    assert library.find(bundle.digest) is None
    with pytest.raises(AlteredBundleError):
        Library().open("approved-then", bundle.files, files_digest(bundle.files), engine_versions())


def test_texts_that_are_no_bundle_are_refused_as_such(bundle: Bundle) -> None:
    """Rule 2: a bundle that this version cannot read is not silently another."""
    texts = {name: text for name, text in bundle.files.items() if name != "guards.cedar"}
    with pytest.raises(AlteredBundleError):
        Library().open(bundle.digest, texts, files_digest(texts), OTHERS)


def test_the_texts_digest_is_of_names_and_texts(bundle: Bundle) -> None:
    """Rule 2: not of their order, but of every byte and of which file holds it."""
    texts = dict(bundle.files)
    assert files_digest(dict(reversed(texts.items()))) == files_digest(texts)
    swapped = {**texts, "core.cedar": texts["guards.cedar"], "guards.cedar": texts["core.cedar"]}
    spaced = {**texts, "core.cedar": texts["core.cedar"] + "\n"}
    assert len({files_digest(each) for each in (texts, swapped, spaced, {"core.cedar": "", "a": "b"}, {})}) == 5


def test_many_threads_share_one_engine(bundle: Bundle) -> None:
    """Safe to share: whoever asks later finds what was kept, and no more than the bound is kept."""
    library = Library(kept=3)
    names = [str(number % 5) for number in range(40)]
    threads = [threading.Thread(target=library.keep, args=(_called(bundle, name),)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = [library.find(name) for name in "01234"]
    assert sum(engine is not None for engine in kept) == 3
    assert all(engine is None or engine.bundle.digest == name for name, engine in zip("01234", kept, strict=True))
