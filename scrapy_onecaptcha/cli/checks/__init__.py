"""The findings of ``check``: one module for each kind."""
