"""Providers: classes that each ask one kind of server."""
