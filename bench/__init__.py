"""Timings as ratios against peers, taken in one run on one machine; run by hand with ``./run bench``."""
