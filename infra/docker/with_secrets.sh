#!/bin/sh
# Runs a command with NAME set to the content of the file that NAME_FILE names, for each such variable. So a secret is a mounted
# file until the process that needs it starts, and stands in no compose file, no image and no list of processes.
set -eu
for variable in $(env | sed -n 's/^\([A-Z][A-Z0-9_]*\)_FILE=.*/\1/p'); do
  eval "file=\${${variable}_FILE}"
  if [ ! -r "$file" ]; then
    echo "${variable}_FILE must name a file that can be read, but there is none at $file; mount the secret there" >&2
    exit 2
  fi
  export "$variable=$(cat "$file")"
  unset "${variable}_FILE"
done
exec "$@"
