"""Reads models that Keras has saved, without Keras: the config is JSON, the weights are HDF5."""
