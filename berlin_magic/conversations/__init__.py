"""Conversations: turns, their order, storage, export, replay."""
