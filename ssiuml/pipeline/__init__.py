"""The build as steps: what each depends on, whether its result still stands, how doit runs it."""
