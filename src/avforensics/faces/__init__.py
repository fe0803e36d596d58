"""Faces in videos: found, followed, cut out, and who of them speaks."""
