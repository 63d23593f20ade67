"""States outside of a stream: the bytes of a snapshot, and a file of many of them by key."""
