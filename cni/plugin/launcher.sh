#!/bin/sh
# Started by the container runtime by its absolute path, perhaps with an empty environment: nothing here looks at PATH.
unset NODE_OPTIONS NODE_EXTRA_CA_CERTS
dir=${0%/*}
exec "$dir/istio-cni.d/node" --disable-sigusr1 "$dir/istio-cni.d/plugin.js"
