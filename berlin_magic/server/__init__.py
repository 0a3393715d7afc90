"""The Berlin server of this package: accounts, tokens, context and an engine, over HTTP."""
