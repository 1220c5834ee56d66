"""A module for each command: arguments, output, exit status. Other code returns results or raises errors."""
