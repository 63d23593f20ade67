"""Compares a model with what it was made from, and reports what differs."""
