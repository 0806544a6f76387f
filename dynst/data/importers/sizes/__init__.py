"""Whether a file may be read: what it declares or unpacks to, against what is free."""
