"""Credentials: secrets in memory and on disk, and their removal from messages."""
