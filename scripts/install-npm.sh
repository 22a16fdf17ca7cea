#!/bin/sh
# Install the npm packages of tests/node in a cache outside the tree, and build AWS's own runtimes
# for Node.js. What is complete is left as it is; an interrupted installation starts again.
set -eu
tests=$(dirname "$0")/../tests/node
where=${XDG_CACHE_HOME:-$HOME/.cache}/tailrace/npm
node=$(command -v node)

"$node" -e 'process.exit(Number(process.versions.node.split(".")[0]) < 18 ? 1 : 0)' || {
    echo "the tests need Node.js 18 or newer; found $("$node" --version)" >&2
    exit 1
}

# Usage: install NAME DIRECTORY. NAME is the folder in tests/node with the list of packages.
install() {
    lists=$tests/$1
    directory=$2
    # Removed with the packages: npm empties node_modules before it installs.
    complete=$directory/node_modules/.complete
    wanted=$(cat "$lists/package.json" "$lists/package-lock.json" | cksum)
    [ "$(cat "$complete" 2>/dev/null)" = "$wanted" ] && return
    echo "installing: npm packages of tests/node/$1 (log: $directory/install.log)"
    mkdir -p "$directory"
    cp "$lists/package.json" "$lists/package-lock.json" "$directory"
    # --legacy-peer-deps: not every framework that an adapter knows.
    npm ci --prefix "$directory" --legacy-peer-deps --no-audit --no-fund --foreground-scripts \
        >"$directory/install.log" 2>&1 || {
        tail -n 40 "$directory/install.log" >&2
        exit 1
    }
    echo "$wanted" >"$complete"
}

mkdir -p "$where"
exec 9>"$where/.lock"
flock 9 # one at a time
# Not those of the make that runs us: the runtimes are built with make too.
export MAKEFLAGS="-j$(getconf _NPROCESSORS_ONLN)"
# The headers beside the program, where they are: node-gyp would download them.
prefix=$(dirname "$(dirname "$(readlink -f "$node")")")
[ -f "$prefix/include/node/node.h" ] && export npm_config_nodedir="$prefix"
install clients "$where"
install cdk "$where/cdk"
install nodejs20.x "$where/nodejs20.x"
install nodejs22.x "$where/nodejs22.x"
