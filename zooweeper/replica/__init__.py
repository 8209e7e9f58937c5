"""replica: see docs/flow.md"""
