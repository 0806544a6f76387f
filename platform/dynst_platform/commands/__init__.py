"""The commands, a folder or a file for each: ``command.py`` reads words, ``workflow.py`` does the
work.
"""
