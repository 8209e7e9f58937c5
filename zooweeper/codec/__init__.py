"""codec: see docs/flow.md"""
