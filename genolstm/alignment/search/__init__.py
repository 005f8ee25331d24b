"""From many references to the few that are worth an exact alignment."""
