"""Where can a proposed replay of deliveries be, and what may happen to it there?

1. One person proposes, another confirms: there is no way from `proposed` to `running` but `confirm`.
2. It can be stopped wherever it has not ended; what it has made by then stays made.
3. What ended stays ended. Whoever wants more proposes another.

A table of its own beside those of `states`; the database constraint and the diagram derive from it.
"""

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType

from tiprouter.domain.states import diagram, next_in


@unique
class ReplayState(StrEnum):
    """Where a replay is."""

    PROPOSED = "proposed"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    LAPSED = "lapsed"  # nobody confirmed it in time: what it counted may be so no longer


@unique
class ReplayEvent(StrEnum):
    """What can happen to a replay."""

    CONFIRM = "confirm"
    FINISH = "finish"
    STOP = "stop"
    LAPSE = "lapse"


_S, _E = ReplayState, ReplayEvent

REPLAY_TRANSITIONS: Mapping[tuple[ReplayEvent, ReplayState], ReplayState] = MappingProxyType(
    {
        (_E.CONFIRM, _S.PROPOSED): _S.RUNNING,
        (_E.FINISH, _S.RUNNING): _S.DONE,
        (_E.STOP, _S.PROPOSED): _S.STOPPED,
        (_E.STOP, _S.RUNNING): _S.STOPPED,
        (_E.LAPSE, _S.PROPOSED): _S.LAPSED,
    }
)

UNFINISHED = frozenset(state for _, state in REPLAY_TRANSITIONS)


def next_replay_state(state: ReplayState, event: ReplayEvent) -> ReplayState:
    """Return a replay's state after `event`, or raise `IllegalTransitionError`."""
    return next_in(REPLAY_TRANSITIONS, "A replay", state, event)


def replay_mermaid() -> str:
    """Return the replays' table as a Mermaid state diagram for the documentation."""
    return diagram(REPLAY_TRANSITIONS, ReplayState.PROPOSED, [one for one in ReplayState if one not in UNFINISHED])
