"""What onnxruntime computes for a graph. It runs in a process of its own, since it aborts on some inputs."""
