"""Talk to a language model from a notebook cell."""
