#!/bin/sh
# Writes fresh secrets to infra/docker/secrets, which git ignores; those that are there stay. Run it once before `docker compose up`.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
for name in ray_token mlflow_password mlflow_key postgres_password s3_key_id s3_secret_key; do
  # Readable by the containers' own user; the folder above it is closed to everybody else here.
  [ -s "secrets/$name" ] || { od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > "secrets/$name"; chmod 644 "secrets/$name"; }
done
cat > secrets/s3_identities.json <<END
{"identities": [{"name": "dynst", "credentials": [{"accessKey": "$(cat secrets/s3_key_id)", "secretKey": "$(cat secrets/s3_secret_key)"}],
  "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
END
chmod 644 secrets/s3_identities.json
