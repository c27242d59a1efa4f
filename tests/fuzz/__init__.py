"""Bytes that nobody meant, for every parser that faces outsiders."""
