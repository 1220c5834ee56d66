"""Stand-ins for the downloads of 2001 and 2002. Programs make them, with the same bytes each time.

sources.make_sources makes all of them in one folder. A test that needs another form calls the function that
makes this stand-in.
"""
