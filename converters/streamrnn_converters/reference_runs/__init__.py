"""onnxruntime, asked in processes of its own: it aborts on some inputs, and that must not be ours."""
