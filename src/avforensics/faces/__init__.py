"""Detect and track faces in videos, and crop them."""
