"""Draws what lies where in a GFS1 or GFS2 image: what each run of blocks holds, then SVG or PNG of it."""
