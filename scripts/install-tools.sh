#!/bin/sh
# Install the Debian packages of programs that are missing. Usage: install-tools.sh PROGRAM…
set -eu

is_there() {
    case $1 in
        python3-venv) python3 -c 'import ensurepip' 2>/dev/null ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

package_of() {
    case $1 in
        node) echo nodejs ;;
        nginx) echo nginx-light ;;
        gcc) echo "gcc libc6-dev" ;;
        ip) echo iproute2 ;;
        libtoolize) echo libtool ;;
        systemd-analyze) echo systemd ;;
        /usr/bin/python3.11) echo "python3.11 python3.11-venv" ;;
        *) echo "$1" ;;
    esac
}

PATH=$PATH:/usr/sbin:/sbin
packages=
for program in "$@"; do
    is_there "$program" || packages="$packages $(package_of "$program")"
done
[ -n "$packages" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    as_root=sudo
    command -v sudo >/dev/null 2>&1 || {
        echo "missing:$packages. Install them as root, then try again." >&2
        exit 1
    }
fi
command -v apt-get >/dev/null 2>&1 || {
    echo "missing:$packages. This is not a Debian system: install them, then try again." >&2
    exit 1
}
echo "installing:$packages"
$as_root apt-get update -qq
# Services of these packages are not for us: nothing is started.
$as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -y -qq --no-install-recommends $packages >/dev/null
