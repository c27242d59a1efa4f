"""What is remembered, and how it is sealed: the only room that speaks SQL."""
