"""A file tree in memory, the archives and folders that it is read from and written to, and its ELF files."""
