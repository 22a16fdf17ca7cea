#!/bin/sh
# Make or bring up to date the virtual environment in .venv.
# Usage: make-venv.sh PYTHON WHAT… ; WHAT goes to `pip install -e`.
set -eu
python=$1
shift

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "tailrace needs Python 3.11 or newer; found: $("$python" --version 2>&1)" >&2
    echo "Name one: make PYTHON=/path/to/python3.11 …" >&2
    exit 1
fi
if [ ! -x .venv/bin/pip ]; then
    # Debian keeps the part that makes environments in a package of its own.
    "$python" -c 'import ensurepip' 2>/dev/null || sh scripts/install-tools.sh python3-venv
    "$python" -m venv .venv
fi
echo "installing into .venv (the first time takes about a minute)"
# The pip that comes with an environment may be too old to know dependency groups.
.venv/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt pip
.venv/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt \
    --editable "$@"
