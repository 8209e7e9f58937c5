"""pb: see docs/flow.md"""
