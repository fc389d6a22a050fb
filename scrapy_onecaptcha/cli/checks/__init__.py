"""What `check` looks for in a project: one module for each kind of finding."""
