"""Programs and servers that are not ours: what they see of us, and what we see of them."""
