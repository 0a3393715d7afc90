"""The programs of the process that a check runs in; each is run by its path, and imports nothing of the package."""
