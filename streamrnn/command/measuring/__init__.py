"""The measurements of `streamrnn bench` and `benchmarks/`: single calls, a compiled loop, memory, and the machine."""
