"""Make what a config describes: environments and the model."""
