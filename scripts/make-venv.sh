#!/bin/sh
# Make or bring up to date a virtual environment.
# Usage: make-venv.sh PYTHON FOLDER WHAT… ; WHAT goes to `pip install -e`.
set -eu
python=$1
folder=$2
shift 2

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "tailrace needs Python 3.11 or newer; found: $("$python" --version 2>&1)" >&2
    echo "Name one: make PYTHON=/path/to/python3.11 …" >&2
    exit 1
fi
if [ ! -x "$folder/bin/pip" ]; then
    # Debian keeps the part that makes environments in a package of its own.
    "$python" -c 'import ensurepip' 2>/dev/null || sh scripts/install-tools.sh python3-venv
    "$python" -m venv "$folder"
fi
echo "installing into $folder (the first time takes about a minute)"
# The pip that comes with an environment may be too old to know dependency groups.
"$folder/bin/pip" install --quiet --disable-pip-version-check --constraint constraints.txt pip
"$folder/bin/pip" install --quiet --disable-pip-version-check --constraint constraints.txt \
    --editable "$@"
