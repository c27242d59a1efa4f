"""What does a receiver do that a sender must survive?

A sandbox for whoever sends webhooks: a listener on loopback that answers wrongly, slowly, endlessly or not at all, by
name. `BEHAVIOURS` are all there are; `opened(name)` listens with one of them.

1. Only the standard library is needed, but for the behaviours with TLS: they make their certificates with
   `cryptography` when they are opened. No key is kept on disk.
2. A behaviour is thrifty itself: what has no end comes in waves of 64 KiB at most, as fast as the other side reads.
3. A behaviour with a memory (`flapping`) starts afresh whenever it is opened.

It does not promise to be all that goes wrong, nor to misbehave the same way over a network as on loopback.
"""

from tiprouter.receiver.misbehaving.catalogue import BEHAVIOURS, Behaviour, Opened, opened

__all__ = ["BEHAVIOURS", "Behaviour", "Opened", "opened"]
