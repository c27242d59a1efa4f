"""Does the demo's verdict see what went wrong? (cli/judge.py)"""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import LOG, START, publish_log
from tiprouter.audit.entry import compose, parse
from tiprouter.audit.kinds import Kind
from tiprouter.cli import judge
from tiprouter.cli.judge import Ledger
from tiprouter.cli.play import Played, Told
from tiprouter.cli.scenes import Scene

KNOWN = Ledger(frozenset({"dec_1"}), frozenset({"msg_1", "msg_2"}), frozenset({"msg_2"}), frozenset({"msg_1"}))
GOOD: dict[str, Any] = {
    "became": "accepted",
    "webhook_id": "msg_1",
    "agency": "police",
    "body": {"type": "disclosure.made", "text": "seen"},
}
TITLE = Scene(
    "01-a", "A", "b", (1,), (), {"police": ["disclosure.made"]}, {"police": {"has": ["seen"], "lacks": ["no"]}}
)


def played(scene: Scene = TITLE) -> Played:
    """A scene whose one message is `msg_1`."""
    return Played(scene, told=[Told("msg_1", "police", "REPORT", 0.0)], outcomes=[{"decision": "dec_1"}])


def test_the_log_is_read_into_a_ledger() -> None:
    """What was made, cancelled and ended; an attempt that is tried again has not ended."""
    told = [
        (Kind.DECISION, {"decision": "dec_1", "record": "tip_1"}),
        (Kind.DISCLOSURE_MADE, {"disclosure": "dis_1", "delivery": "msg_1", "record": "tip_1"}),
        (Kind.RECALL_MADE, {"recall": "dis_2", "disclosure": "dis_1", "delivery": "msg_2"}),
        (Kind.DISCLOSURE_MADE, {"disclosure": "dis_3", "delivery": "msg_3", "record": "tip_1"}),
        (Kind.DISCLOSURE_CANCELLED, {"disclosure": "dis_3", "delivery": "msg_3"}),
        (Kind.ATTEMPT_FINISHED, {"attempt": "att_1", "delivery": "msg_1", "state": "delivered"}),
        (Kind.ATTEMPT_FINISHED, {"attempt": "att_2", "delivery": "msg_2", "state": "retrying"}),
    ]
    known = judge.ledger(parse(compose(kind, START, bytes(16), body)) for kind, body in told)
    assert known.decisions == {"dec_1"}
    assert known.made == {"msg_1", "msg_2", "msg_3"}
    assert known.under_way == {"msg_2"}


def test_the_entries_of_a_folder_are_all_read(tmp_path: Path) -> None:
    """Full and partial bundles; none where there is no log yet."""
    assert len(list(judge.entries_of(publish_log(tmp_path / "log", 600)))) == 600
    assert list(judge.entries_of(tmp_path / "nothing")) == []


def test_a_log_under_another_key_is_wrong(tmp_path: Path) -> None:
    """Rule 1: the key comes from elsewhere, so a log signed with another one is no proof."""
    folder = publish_log(tmp_path / "log", 3)
    assert judge.verify(folder, LOG.vkey)[1] == []
    (wrong,) = judge.verify(folder, LOG.vkey.replace("tiprouter.example", "elsewhere.example"))[1]
    assert "the log does not verify" in wrong


def test_a_decision_that_is_not_in_the_log_is_wrong() -> None:
    """Rule 2."""
    assert judge.missing_decisions([played()], KNOWN) == []
    lost = Ledger(frozenset(), KNOWN.made, KNOWN.cancelled, KNOWN.ended)
    assert judge.missing_decisions([played()], lost) == ["decision dec_1 is not in the log"]


def test_good_arrivals_are_good() -> None:
    """Rules 3 and 4: once each; a repetition of the same bytes and a cancelled one that never came are fine."""
    assert judge.arrivals([GOOD, GOOD | {"became": "duplicate"}, GOOD | {"became": "busy"}], KNOWN) == []


@pytest.mark.parametrize(
    ("receipts", "wrong"),
    [
        ([], "msg_1 never arrived"),
        ([GOOD, GOOD], "msg_1 was accepted 2 times"),
        ([GOOD, GOOD | {"webhook_id": "msg_9"}], "msg_9 arrived and is not in the log"),
        ([GOOD, {"became": "refused", "agency": "police", "reason": "bad"}], "police refused a message: bad"),
        ([GOOD, GOOD | {"became": "duplicate", "body": {}}], "msg_1 came with different bytes"),
    ],
)
def test_a_bad_arrival_is_found(receipts: list[dict[str, Any]], wrong: str) -> None:
    """Rules 3 and 4: lost, twice, from nowhere, badly signed, changed."""
    assert judge.arrivals(receipts, KNOWN) == [wrong]


def test_good_messages_are_good() -> None:
    """Rule 5."""
    assert judge.messages(played(), [GOOD]) == []


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"type": "disclosure.recalled", "text": "seen"}, "received was"),
        ({"type": "disclosure.made", "text": ""}, "police should read 'seen' and does not"),
        ({"type": "disclosure.made", "text": "seen no"}, "police reads 'no' and must not"),
    ],
)
def test_a_bad_message_is_found(body: dict[str, str], wrong: str) -> None:
    """Rule 5: another kind of message, something missing, something too much."""
    (said,) = judge.messages(played(), [GOOD | {"body": body}])
    assert said.startswith(wrong)


def test_a_message_to_somebody_else_is_found() -> None:
    """Rule 5: what an agency receives that the scene does not promise is wrong, whatever it says."""
    told = [*played().told, Told("msg_3", "shelter", "DISCLOSE", 0.0)]
    extra = GOOD | {"webhook_id": "msg_3", "agency": "shelter"}
    assert len(judge.messages(Played(TITLE, told=told), [GOOD, extra])) == 1
