"""Manual pages and shell completions, from the parsers that read the commands' lines.

Made for releases, never at a command's run time: what only this package needs is no dependency of the
commands.
"""
