"""Is a model what it was made from? Signals, comparisons, and what they say."""
