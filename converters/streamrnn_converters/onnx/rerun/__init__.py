"""Copies of a graph that onnxruntime can run."""
