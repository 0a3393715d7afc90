"""Prompts: what goes into a question besides the words that the user types."""
