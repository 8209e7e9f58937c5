"""model: see docs/flow.md"""
