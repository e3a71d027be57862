#!/bin/sh
# Started by the container runtime by its absolute path, perhaps with an empty environment: nothing here looks at PATH.
case ${CNI_COMMAND-} in
  DEL | CHECK | GC | STATUS)
    # The agent sees pods go by itself. Standard input is read to its end, so that its writer finds nobody gone.
    while read -r _; do :; done
    exit 0
    ;;
esac
unset NODE_OPTIONS NODE_EXTRA_CA_CERTS
dir=${0%/*}
exec "$dir/istio-cni.d/node" --disable-sigusr1 "$dir/istio-cni.d/plugin.js"
