#!/bin/sh
# Writes core/xds/gen from core/xds/proto; with --check, says whether what is committed is what would be written.
# Needs no network: compiler and plugin are npm packages, the well-known types are inside the compiler.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
bin=$here/../../node_modules/.bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

cat >"$work/template.yaml" <<EOF
version: v2
plugins:
  - local: $bin/protoc-gen-es
    out: $work/gen
    opt: [target=ts, erasable_syntax=true, import_extension=ts]
EOF
# the plugin is a script for `node`: the pinned one, not the system's
PATH=$bin:$PATH BUF_CACHE_DIR=$work/cache "$bin/buf" generate --template "$work/template.yaml" "$here/proto"

case ${1-} in
--check)
  if ! diff -r "$work/gen" "$here/gen" >&2; then
    echo "core/xds/gen is not what core/xds/proto says: run core/xds/generate.sh and commit the result" >&2
    exit 1
  fi
  ;;
'')
  rm -rf "$here/gen"
  cp -R "$work/gen" "$here/gen"
  ;;
*)
  echo "usage: generate.sh [--check]" >&2
  exit 2
  ;;
esac
