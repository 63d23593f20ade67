"""What `import` and `verify` share: the comparison, its progress and its report."""
