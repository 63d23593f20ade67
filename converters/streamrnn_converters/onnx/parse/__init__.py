"""From bytes to a checked graph. Nothing here knows what a node means."""
