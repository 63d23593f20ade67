"""The proof of a model, for `import` and `verify`: the comparison with its source, and the report of it."""
