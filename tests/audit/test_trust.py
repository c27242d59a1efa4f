"""Does a quorum mean what the policy file says? (audit/trust.py, C2SP tlog-policy)"""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.audit.conftest import LOG, WITNESS, publish_log, story
from tiprouter.audit.checkpoint import cosign
from tiprouter.audit.note import Algorithm, Signature, Signer
from tiprouter.audit.trust import TrustError, TrustPolicy
from tiprouter.audit.verify import verify_folder

OTHERS = [
    Signer(f"witness.example/{name}", bytes([number]) * 32, Algorithm.COSIGNATURE)
    for number, name in enumerate(("a", "b", "c"), 1)
]
LINES = [f"witness {one.name[-1]} {one.vkey} https://{one.name}" for one in OTHERS]


def policy(*lines: str) -> TrustPolicy:
    """The three witnesses, and these lines."""
    return TrustPolicy.parse("\n".join(["# fictional", "", f"log {LOG.vkey}", *LINES, *lines]))


def by(*names: str) -> list[Signature]:
    """The verified cosignatures of these witnesses."""
    return [Signature(one.name, one.verifier.key_id, 1) for one in OTHERS if one.name[-1] in names]


@pytest.mark.parametrize(
    ("lines", "enough", "short"),
    [
        (["quorum none"], [""], []),
        (["quorum b"], ["b", "ab"], ["", "ac"]),
        (["group g all a b", "quorum g"], ["ab", "abc"], ["", "a", "bc"]),
        (["group g any a b", "quorum g"], ["a", "b"], ["", "c"]),
        (["group g 2 a b c", "quorum g"], ["ab", "ac", "abc"], ["", "c"]),
        (["group g any a b", "group h all g c", "quorum h"], ["ac", "bc"], ["c", "ab"]),
    ],
)
def test_a_quorum_is_what_the_policy_says(lines: list[str], enough: list[str], short: list[str]) -> None:
    """Rule 3: each set of cosigners that is enough, and each that is not."""
    trusted = policy(*lines)
    assert all(trusted.satisfied(by(*names)) for names in enough)
    assert not any(trusted.satisfied(by(*names)) for names in short)


def test_only_the_very_key_counts() -> None:
    """Rule 3: a witness's name with another key, or a signature that is no cosignature, is nobody's."""
    (one,) = by("b")
    for strange in (replace(one, key_id=b"\0\0\0\0"), replace(one, seconds=None)):
        assert not policy("quorum b").satisfied([strange])


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["quorum x"],
        ["quorum a", "quorum b"],
        ["group g 0 a", "quorum g"],
        ["group g 3 a b", "quorum g"],
        ["group g all", "quorum g"],
        ["group g any x", "quorum g"],
        ["group g 2 a a", "quorum g"],
        ["group a any b", "quorum a"],
        ["group none any b", "quorum none"],
        [LINES[0], "quorum a"],
        [f"witness l {LOG.vkey}", "quorum l"],
        ["witness l nonsense", "quorum l"],
        ["what is this", "quorum a"],
    ],
)
def test_a_policy_that_means_nothing_is_refused(lines: list[str]) -> None:
    """Rules 1, 2 and 4: unknown words and names, names given twice, keys of the wrong kind, and empty groups."""
    with pytest.raises(TrustError):
        policy(*lines)


def test_a_log_without_its_quorum_does_not_verify(tmp_path: Path) -> None:
    """The verifier asks the policy: too few witnesses fail the second step, enough are named."""
    folder = publish_log(tmp_path / "log", story(30))
    trusted = TrustPolicy.parse(f"log {LOG.vkey}\nwitness w {WITNESS.vkey}\nquorum w\n")
    assert not verify_folder(folder, LOG.vkey, policy=trusted).steps[1].ok
    note = (folder / "checkpoint").read_bytes()
    (folder / "checkpoint").write_bytes(cosign(note, WITNESS, 1_700_000_000))
    report = verify_folder(folder, LOG.vkey, policy=trusted)
    assert report.ok
    assert "cosigned by witness.example/w1" in report.steps[1].detail
