"""The rules themselves, pure: no I/O, clock, randomness, logging or third-party import."""
