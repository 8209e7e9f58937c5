"""One random script of operations, sent to a real Apache ZooKeeper and to us; every reply and event compared.

Rules: nothing here knows the product's encoder or its operations: requests are written and replies are read from the
description of the wire alone, so the comparison checks those as well. Whatever differs is either named in
`differences.py`, with its reason, or fails.

    python -m tests.interop.differential --seeds 20 --operations 5000
"""
