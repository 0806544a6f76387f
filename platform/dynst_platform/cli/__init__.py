"""The ``dynst`` command. One file a command; heavy imports live inside the functions, so that ``--help`` is instant."""
