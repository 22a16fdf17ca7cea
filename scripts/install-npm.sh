#!/bin/sh
# Install the npm packages that tests drive as clients, in a cache outside the tree.
set -eu
where=${XDG_CACHE_HOME:-$HOME/.cache}/tailrace/npm
undici=6.29.1

node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 18 ? 1 : 0)' || {
    echo "the tests need Node.js 18 or newer; found $(node --version)" >&2
    exit 1
}
[ -f "$where/undici-$undici" ] && exit 0
mkdir -p "$where"
npm install --silent --no-audit --no-fund --prefix "$where" "undici@$undici"
touch "$where/undici-$undici"
