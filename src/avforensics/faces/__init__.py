"""Detect and track faces in videos, crop them, and find out which one speaks."""
