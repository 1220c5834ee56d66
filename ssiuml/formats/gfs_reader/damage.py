"""What is wrong with an image, and where."""

from collections.abc import Callable

from ssiuml.errors import SsiumlError


class Damaged(SsiumlError):  # noqa: N818 - it is raised and also kept in lists: a finding, not only an error
    """*structure* in *block* is not what the format says."""

    def __init__(self, block: int, structure: str, problem: str) -> None:
        super().__init__(f"block {block}: {structure}: {problem}")
        self.block = block
        self.structure = structure
        self.problem = problem


Report = Callable[[Damaged], None]
# Is told of a block before it is read; raises Damaged if the block belongs to something else.
Claim = Callable[[int], None]
