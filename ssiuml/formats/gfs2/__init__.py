"""GFS2 without a kernel: structures, geometry, and a writer that puts a whole tree into an image file."""
