"""Recipes: what an image consists of, read from YAML, checked and frozen."""
