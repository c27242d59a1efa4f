"""What tests share: real databases, a service in one process, fictional records."""
