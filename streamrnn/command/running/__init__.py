"""What `streamrnn run` does between its input and its output."""
