"""Runs the scripts of a page, in a child process, to see what the page would send."""
