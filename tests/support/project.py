"""Where the project's files lie."""

from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[2]
GOLDEN: Final = PROJECT / "tests" / "golden"
