"""Timings as ratios against peers, taken in one run on one machine. Run them by hand: ``./run bench``."""
