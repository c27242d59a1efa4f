"""How are the rooms put together into one running service?

The only reader of clock, randomness and settings. Everything below is handed what it needs.
"""

from tiprouter.wiring.house import House, make_folder, now, open_house, settle, tell, vkey
from tiprouter.wiring.keys import tried
from tiprouter.wiring.paging import hook_of, mailbox_of, routing_of
from tiprouter.wiring.serving import keep, run, serve, work, working

__all__ = [
    "House",
    "hook_of",
    "keep",
    "mailbox_of",
    "make_folder",
    "now",
    "open_house",
    "routing_of",
    "run",
    "serve",
    "settle",
    "tell",
    "tried",
    "vkey",
    "work",
    "working",
]
