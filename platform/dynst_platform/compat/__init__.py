"""Where we lean on what Ray 2.60 does not promise, each with the reason and a test that fails when
a new Ray has it otherwise (``tests/dynst_platform/test_compat.py``).

A file for each part of Ray, so that a process imports no other.
"""
