#!/bin/sh
# Runs the pinned Node on the given program. The system's Node may be older than what Ambit needs.
set -eu
unset NODE_OPTIONS # nobody's environment opens an inspector in a process that holds keys
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
for node in "$root"/node_modules/node-linux-*/bin/node; do
  [ -x "$node" ] && exec "$node" --disable-warning=ExperimentalWarning --disable-sigusr1 "$@"
done
echo "ambit: the pinned Node is not installed here; run 'npm run setup' in $root" >&2
exit 1
