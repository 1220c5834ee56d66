"""Shared-root cluster images for User-Mode Linux: built from a recipe, booted as an ordinary user."""
