"""http2: see docs/flow.md"""
