#!/bin/sh
# Runs a command with NAME set to the content of the file that NAME_FILE names. So a secret is a mounted file until the process that
# needs it starts, and stands in no compose file, no image and no list of processes.
set -eu
for variable in AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY MLFLOW_AUTH_ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY \
  MLFLOW_TRACKING_PASSWORD PGPASSWORD; do
  eval "file=\${${variable}_FILE:-}"
  [ -n "$file" ] || continue
  if [ ! -r "$file" ]; then
    echo "${variable}_FILE must name a file that can be read, but there is none at $file; mount the secret there" >&2
    exit 2
  fi
  export "$variable=$(cat "$file")"
  unset "${variable}_FILE"
done
exec "$@"
