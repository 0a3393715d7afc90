"""The accounts of the server, with their balances."""
