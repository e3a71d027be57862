#!/bin/sh
# Brings a fresh clone to where everything runs: npm packages by the lock file, system tools from apt when they are
# missing and we may install them. Does nothing, quickly, when all is there.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"

stamp=node_modules/.ambit-setup
want=$(cat package-lock.json scripts/setup.sh | cksum)
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$want" ]; then
  echo "setup: installing npm packages by the lock file" >&2
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  mkdir -p node_modules/.bin
  ln -sf ../../bin/ambit node_modules/.bin/ambit
  # These come as one package a platform, without the wrapper that would ask for every platform's.
  for tool in @biomejs/cli-linux-*/biome @bufbuild/buf-linux-*/bin/buf; do
    for found in node_modules/$tool; do
      if [ -x "$found" ]; then ln -sf "../${found#node_modules/}" "node_modules/.bin/${found##*/}"; fi
    done
  done
fi

# command:package, for what the lab and the tests start
missing=''
for pair in ip:iproute2 nft:nftables unshare:util-linux unzip:unzip; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
[ -n "$(find /lib /usr/lib -name 'libatomic.so.1' 2>/dev/null | head -n 1)" ] || missing="$missing libatomic1"
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "setup: installing$missing" >&2
    apt-get update -qq >/dev/null
    # shellcheck disable=SC2086 # a list of package names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
  else
    echo "setup: these packages are missing:$missing" >&2
    echo "setup: install them (for example: sudo apt-get install$missing) and run this again" >&2
    exit 1
  fi
fi

[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] || printf '%s' "$want" >"$stamp"

# the CNI plugin as one file, which the node agent installs; a tenth of a second, so always fresh
sh scripts/node.sh scripts/bundle.ts
