"""Archaic or modern by the sequence alone, without references: the published recipe, and its warning."""
