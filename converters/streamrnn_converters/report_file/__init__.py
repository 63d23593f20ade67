"""Writes a proof to a file: JSON, HTML, pictures."""
