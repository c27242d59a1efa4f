"""The HTTP edge: what comes in is parsed once, what goes out is shaped here, and nothing is decided."""
