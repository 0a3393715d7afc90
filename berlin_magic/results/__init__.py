"""Results of a reply: its code, typed values, checks, rows."""
