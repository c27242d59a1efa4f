"""The transparency log: what happened, in bytes that nobody can change afterwards without being seen."""
