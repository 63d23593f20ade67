"""What models are made into: op records and packed weights, and what this CPU offers for them. NumPy only, no compiler."""
