"""The guide: what the embedded server answers from, with no language model."""
