"""storage: see docs/flow.md"""
