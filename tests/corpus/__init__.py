"""A labelled corpus of pages, and how well they are read."""
