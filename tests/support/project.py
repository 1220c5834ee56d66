"""The folders of the project and of the golden files."""

from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[2]
GOLDEN: Final = PROJECT / "tests" / "golden"
