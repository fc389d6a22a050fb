"""A small crawl of a bookshop that stands behind an hCaptcha gate."""
