"""What `streamrnn bench` and `benchmarks/` measure with: raw calls, a compiled loop, memory, and the machine's name."""
