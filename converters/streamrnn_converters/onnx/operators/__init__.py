"""What each ONNX operator does to what flows through the graph: one file for each family."""
