"""One decoder per file; fuzz/table.py lists them."""
