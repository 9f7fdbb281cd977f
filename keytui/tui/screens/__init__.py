"""Screens, each with its styles beside it; imported when first shown."""
