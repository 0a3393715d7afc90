"""Conversations: their turns, where each stands, and how they are kept."""
