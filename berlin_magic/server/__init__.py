"""The Berlin server of this package."""
