"""zab: see docs/flow.md"""
