"""Stories about the rules themselves: age, consent, duty, facts, routing, outcome and redaction."""
