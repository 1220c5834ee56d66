"""GFS1, the Global File System of 2001 to 2009: its structures on disk, where they lie, and a writer."""
