"""Widgets: each owns its state and talks by messages."""
