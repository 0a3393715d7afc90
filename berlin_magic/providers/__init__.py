"""Providers: each asks one kind of server and yields its reply."""
