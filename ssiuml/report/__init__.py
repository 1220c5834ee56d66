"""The graph of a build's steps, and a report of its results."""
