"""The node's kernel ``linux-ssi`` and its modules: from a package, or built from source.

The cache keeps every kernel in the same form; see ssiuml.kernel.packed.
"""
