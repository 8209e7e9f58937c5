"""transport: see docs/flow.md"""
