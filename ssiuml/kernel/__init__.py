"""The node's kernel ``linux-ssi`` and its modules: out of a package, or built from source.

Whatever they come from, they are kept in the cache in one form; see ssiuml.kernel.packed.
"""

from ssiuml.errors import SsiumlError


class KernelError(SsiumlError):
    """A kernel, its source or its modules are not as expected."""
