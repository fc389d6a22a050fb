"""A small crawl of a bookshop behind an hCaptcha gate."""
