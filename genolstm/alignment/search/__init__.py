"""Narrows many references down to the few that are worth an exact alignment."""
