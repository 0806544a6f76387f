"""Definitions of where to run, held against the schemas of what reads them.

No Docker, Kubernetes or cloud is needed.
"""
