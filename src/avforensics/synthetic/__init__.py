"""Synthetic talking heads with known forgeries."""
