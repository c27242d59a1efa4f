"""Who may sign in, how long do they wait, and which password may they choose?"""

import base64
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.service import START
from tiprouter.domain.accounts import (
    ACCOUNT_TRANSITIONS,
    AccountEvent,
    AccountRole,
    AccountState,
    next_account_state,
)
from tiprouter.domain.password import CHARACTERS_MAX, Unfit, unfit
from tiprouter.domain.states import IllegalTransitionError
from tiprouter.domain.throttle import PACES, QUIET, Count, Lane, counted, seconds_left, wait, worth_saying
from tiprouter.workflow import one_time
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.passwords import Cost, Hasher, blocked, common


def test_every_role_of_people_is_a_role_of_callers_and_systems_are_none() -> None:
    """Intake and agencies are systems: nobody signs in as one."""
    assert {role.value for role in AccountRole} < {role.value for role in CallerRole}
    assert {"intake", "agency"}.isdisjoint(AccountRole)


@given(st.sampled_from(AccountState), st.sampled_from(AccountEvent))
def test_what_the_table_does_not_name_is_illegal(state: AccountState, event: AccountEvent) -> None:
    """Nothing leads out of an ended account, and nothing but a redeemed invitation into a first active one."""
    if (event, state) in ACCOUNT_TRANSITIONS:
        assert state is not AccountState.ENDED
        leads = {(AccountEvent.REDEEM, AccountState.INVITED), (AccountEvent.RESTORE, AccountState.SUSPENDED)}
        assert (next_account_state(state, event) is AccountState.ACTIVE) == ((event, state) in leads)
        return
    with pytest.raises(IllegalTransitionError):
        next_account_state(state, event)


@given(st.sampled_from(Lane), st.integers(0, 10_000))
def test_a_wait_grows_with_every_failure_and_always_ends(lane: Lane, failures: int) -> None:
    """No lane waits longer than a day, whatever was tried, and one more failure never makes a wait shorter."""
    assert timedelta() <= wait(lane, failures) <= wait(lane, failures + 1) <= QUIET
    assert wait(lane, PACES[lane].free) == timedelta()
    assert wait(lane, PACES[lane].free + 1) > timedelta()


@given(st.sampled_from(Lane), st.lists(st.integers(0, 100_000), max_size=60))
def test_a_lane_counts_what_failed_in_a_row_and_begins_anew_after_a_quiet_day(lane: Lane, pauses: list[int]) -> None:
    """However failures are spread, the count is of those with no quiet day between, and the wait follows it."""
    now, count, expected = START, None, 0
    for pause in pauses:
        now += timedelta(seconds=pause)
        expected = 1 if count is None or now - count.last_at >= QUIET else expected + 1
        count = counted(lane, count, now)
        assert count == Count(expected, now, now + wait(lane, expected))
        assert seconds_left(count, now) >= wait(lane, expected).total_seconds()
        assert seconds_left(count, count.next_at) == 0
    assert seconds_left(None, now) == 0


def test_a_flood_of_failures_leaves_few_entries() -> None:
    """Of a thousand failures in a row ten are written down, the first among them."""
    said = [failures for failures in range(1_001) if worth_saying(failures)]
    assert said == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("seven77", Unfit.SHORT),
        ("x" * (CHARACTERS_MAX + 1), Unfit.LONG),
        ("Password123", Unfit.BLOCKED),
        ("PASSWORD2026!", Unfit.BLOCKED),
        ("\uff50assword", Unfit.BLOCKED),
        ("correcthorsebatterystaple", Unfit.BLOCKED),
        ("my tiprouter words", Unfit.CONTEXT),
        ("example rain window", Unfit.CONTEXT),
        ("casework-lead window", Unfit.CONTEXT),
        ("rain window copper", None),
        ("kvTz!9 4", None),
        ("        eight spaces", None),
    ],
)
def test_a_password_is_refused_for_what_it_is_and_never_for_its_kinds_of_characters(
    password: str, why: Unfit | None
) -> None:
    """Length, the blocked ones in whatever spelling, and words of its context; nothing else."""
    assert unfit(password, blocked(), ("Example Person", "casework-lead")) is why


def test_the_thousands_that_everybody_chooses_are_refused() -> None:
    """Ten thousand and more that are long enough to be chosen (ASVS 6.2.4 asks for 3,000), each refused as it is."""
    listed = common()
    assert len(listed) == len(set(listed)) > 10_000
    assert {unfit(one, blocked(), ()) for one in listed} <= {Unfit.BLOCKED}
    assert {"password", "12345678", "iloveyou", "trustno1", "starwars"} <= set(listed[:20])
    assert unfit("Wonderwoman", blocked(), ()) is Unfit.BLOCKED
    assert not any(one.startswith("#") for one in listed[:100])


@given(st.text(min_size=16, max_size=64, alphabet="bcdfgjkqvwxz "))
def test_no_rule_asks_for_kinds_of_characters(password: str) -> None:
    """Sixteen characters of any kind will do, unless they are blocked."""
    assert unfit(password, frozenset(), ()) is None


async def test_a_password_is_compared_as_it_was_typed() -> None:
    """Every character to the last of 256, its case and its spaces; only how an accent is composed does not count."""
    hasher, salt = Hasher(Cost(1, 1, 8)), b"0123456789abcdef"
    chosen = " Caf\u00e9 \u00b2 " + "x" * (CHARACTERS_MAX - 8)
    assert len(chosen) == CHARACTERS_MAX
    kept = await hasher.hashed(chosen, salt)
    assert await hasher.matches(chosen.replace("\u00e9", "e\u0301"), kept, salt)
    for other in (
        chosen[:-1],
        chosen[:-1] + "y",
        chosen.strip(),
        chosen.upper(),
        chosen.casefold(),
        chosen.replace("\u00b2", "2"),
        chosen.replace("\u00e9", "e"),
        f"{chosen}\0",
    ):
        assert not await hasher.matches(other, kept, salt)


def test_a_recovery_code_has_128_bits() -> None:
    """Every bit of the randomness is in the code, and ten of them are made of ten different draws."""
    drawn = []

    def entropy(size: int) -> bytes:
        drawn.append(size)
        return bytes([len(drawn)]) * size

    codes = one_time.recovery_codes(entropy)
    assert (len(set(codes)), set(drawn)) == (10, {16})
    bare = codes[0].replace("-", "")
    assert base64.b32decode(bare + "=" * (-len(bare) % 8)) == bytes([1]) * 16
