"""Stories about what a recipient trusts."""
