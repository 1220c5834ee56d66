"""GFS1, the Global File System of 2001 to 2009: structures, geometry, and a writer."""
