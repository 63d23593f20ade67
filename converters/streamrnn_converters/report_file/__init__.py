"""A proof as a file to keep: JSON, HTML and pictures."""
