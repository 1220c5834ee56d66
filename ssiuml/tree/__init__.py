"""A file tree in memory, and what it is read from and written to: tar, cpio, folders, ELF files."""
