"""Storage of conversations: the user's database, and the notebook file itself."""
