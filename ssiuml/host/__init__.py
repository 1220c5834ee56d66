"""This machine: programs, files, devices, the cache, the session, digests, progress."""
