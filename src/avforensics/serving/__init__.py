"""A page to drop a video on: uploads, their queue, what the page says of them."""
