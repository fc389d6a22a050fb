"""Every fault of the service at every call, and what a crawl makes of it."""
