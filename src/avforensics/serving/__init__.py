"""A page to drop a video on: uploads, their queue, the messages on the page."""
