"""A web page that scores uploaded videos: uploads, job queue and messages."""
