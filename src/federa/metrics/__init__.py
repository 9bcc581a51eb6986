"""Scores as the official scorers count them, in [0, 1], and the files that those read."""
