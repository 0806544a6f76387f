#!/usr/bin/env bash
# All tests where little is as a developer has it: a user who is not root, a home whose name has a space and a letter beyond ASCII,
# LANG=C, another time zone, and no network. Takes all that away from a copy of the last commit, so it must be started by root:
#
#   tests/elsewhere.sh [--cpus 0] [--memory 4G] [arguments of pytest]
#
# --cpus names the processors that may be used, as taskset does; --memory limits all processes together.
set -euo pipefail
cd "$(dirname "$0")/.."
cpus="" memory=""
while [[ "${1:-}" == --cpus || "${1:-}" == --memory ]]; do
  [[ "$1" == --cpus ]] && cpus="$2" || memory="$2"
  shift 2
done
[[ "$(id -u)" == 0 ]] || { echo "tests/elsewhere.sh must be started by root, who alone can become another user and leave the network" >&2; exit 2; }
python="$(realpath -s .venv/bin/python)"
folder="$(mktemp -d /tmp/dynst-elsewhere.XXXXXX)"
home="$folder/Åse Lund"
trap 'rm -rf "$folder"' EXIT
mkdir -p "$home/dynst"
git archive HEAD | tar -x -C "$home/dynst"
chmod 755 "$folder"
chown -R nobody "$folder"
if [[ -n "$memory" ]]; then
  group=/sys/fs/cgroup/dynst-elsewhere
  mkdir -p "$group"
  echo "$memory" >"$group/memory.max"
  echo 0 >"$group/memory.swap.max" || true
  echo $$ >"$group/cgroup.procs"
fi
limited=()
[[ -n "$cpus" ]] && limited=(taskset --cpu-list "$cpus")
# The commit's hash is a tag of runs, so the copy is a repository of one commit.
script='ip link set lo up; cd "$HOME/dynst"; exec setpriv --reuid nobody --regid nogroup --clear-groups sh -c '\''
  git init -q . && git -c user.name=n -c user.email=n@n add -A && git -c user.name=n -c user.email=n@n commit -qm copy
  echo "as $(id -un) in $PWD, LANG=$LANG, TZ=$TZ, processors $(env -u OMP_NUM_THREADS nproc), no network"
  exec "$0" -m pytest "$@"'\'' "$0" "$@"'
env -i HOME="$home" PATH="$PATH" LANG=C TZ=Pacific/Chatham OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 \
  PYTHONPATH="$home/dynst:$home/dynst/platform" TMPDIR="/tmp" \
  "${limited[@]}" unshare --net -- sh -c "$script" "$python" "$@"
