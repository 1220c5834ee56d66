"""Pictures and pages about a build: its graph, and a report of what it gave."""
