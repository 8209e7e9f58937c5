"""enumeration: every disk that a crash may leave, every byte that may rot; see docs/storage.md"""
