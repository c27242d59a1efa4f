"""What goes over the wire: the only place that knows pydantic. Parsed once to domain values, rendered from them."""
