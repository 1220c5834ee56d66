"""The layers of a root above the base: cluster tools, configuration; and the RAM disk."""
