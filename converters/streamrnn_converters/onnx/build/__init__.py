"""From an understood graph to a model, and how the graph's inputs and outputs map to a stream of it."""
