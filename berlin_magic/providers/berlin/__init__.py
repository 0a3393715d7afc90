"""The Berlin protocol: login, token, and a stream of JSON chunks."""
