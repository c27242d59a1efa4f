"""A consent-gated disclosure router for human-trafficking hotlines."""
