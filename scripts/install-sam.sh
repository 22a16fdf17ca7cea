#!/bin/sh
# Install the `sam` command in an environment outside the tree: its pins are not those of the tests.
# What is complete is left as it is; an interrupted installation starts again.
# Usage: install-sam.sh BIN ; the folder of a Python and of uv
set -eu
list=$(dirname "$0")/sam-requirements.txt
where=${XDG_CACHE_HOME:-$HOME/.cache}/tailrace
environment=$where/sam

mkdir -p "$where"
exec 9>"$where/.sam-lock"
flock 9 # one at a time
wanted=$("$1/python" --version | cat - "$list" | cksum)
[ "$(cat "$environment/.complete" 2>/dev/null)" = "$wanted" ] && exit 0
echo "installing: the sam command (210 MB in $environment)"
rm -rf "$environment"
"$1/uv" venv --quiet --python "$1/python" "$environment"
"$1/uv" pip install --quiet --python "$environment" --requirement "$list"
echo "$wanted" >"$environment/.complete"
