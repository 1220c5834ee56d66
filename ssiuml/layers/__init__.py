"""Layers of a root on top of the base: cluster tools, configuration; and the initrd."""
