"""tree: see docs/flow.md"""
