"""File system and pool formats: pure code that knows nothing of recipes, processes or the environment."""
