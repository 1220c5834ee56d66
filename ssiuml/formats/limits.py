"""The largest file systems. Every call checks a recipe against them; the geometries take 20 ms to import."""

from typing import Final

GFS1_BYTES_MAX: Final = 1 << 44  # the largest device on which GFS of 2004 was supported on 32-bit machines
GFS2_BYTES_MAX: Final = 1 << 47  # Red Hat supports 100 TB
