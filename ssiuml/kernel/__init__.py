"""The node's kernel ``linux-ssi`` and its modules: out of a package, or built from source.

Whatever they come from, they are kept in the cache in one form; see ssiuml.kernel.packed.
"""

from pathlib import Path

from ssiuml.errors import SsiumlError


class KernelError(SsiumlError):
    """A kernel, its source or its modules are not as expected."""


def require_file(path: Path, key: str) -> Path:
    """Return *path*, which the recipe's *key* names; KernelError if there is no such file."""
    if not path.is_file():
        raise KernelError(
            f"{key}: there is no file {path}", hint="write the path from the folder of the recipe"
        )
    return path
