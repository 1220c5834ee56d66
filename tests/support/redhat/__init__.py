"""Stand-ins for what was published in 2001 and 2002, made by program, the same bytes each time.

sources.make_sources makes all of them in one folder; a test that wants one of another form calls its maker.
"""
