"""Accounts of the server: who may log in, and what each has left."""
