#!/bin/sh
# Installs the gateway of tailrace from this folder, as a service of systemd: sh install.sh
#
# No index is asked. Run it again from a newer folder to upgrade: no request is lost. With
# --log-files the output goes to files in /var/log/tailrace instead of the journal.
set -eu
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

version=@VERSION@
python=python@PYTHON@
machine=@MACHINE@
config=/etc/tailrace/tailrace.toml
link=/opt/tailrace
units=/etc/systemd/system

fail() {
    echo "install.sh: $*" >&2
    exit 1
}
# The link is the old one or the new one at any moment.
point_to() {
    ln -sfn "$1" "$link.new" && mv -T "$link.new" "$link"
}

# --- what must be there --------------------------------------------------------------------------

has_log_files=false
for option; do
    case $option in
        --log-files) has_log_files=true ;;
        *) fail "unknown option $option; the only one is --log-files" ;;
    esac
done
cd "$(dirname "$0")"
[ "$(id -u)" = 0 ] || fail "root must run this; use sudo"
[ "$(uname -m)" = "$machine" ] ||
    fail "the wheels are for $machine and this machine is $(uname -m); make the folder for it"
sha256sum --check --quiet SHA256SUMS ||
    fail "files of this folder are damaged or missing; copy the folder again"
[ -f "$config" ] || fail "there is no $config; write it, then run this again"
[ -L "$link" ] || [ ! -e "$link" ] ||
    fail "$link is there and was not made by this script; move it away, then run this again"

has_python() {
    "$python" -c 'import ensurepip, venv' 2>/dev/null
}
if ! has_python; then
    command -v dnf >/dev/null ||
        fail "there is no $python with the module venv, and no dnf to install it; install it"
    echo "install.sh: installing $python by dnf"
    timeout 600 dnf install --assumeyes --quiet "$python" ||
        fail "dnf cannot install $python; in a VPC without internet access it needs a gateway" \
            "endpoint for S3"
    has_python || fail "dnf has installed $python, but it does not run"
fi

# --- a new environment beside the one that runs --------------------------------------------------

digest=$(sha256sum SHA256SUMS | cut -c 1-12)
new=$link-$version-$digest
if [ ! -f "$new/.complete" ]; then
    rm -rf "$new"
    trap '[ -f "$new/.complete" ] || rm -rf "$new"' EXIT
    trap 'exit 1' HUP INT TERM
    "$python" -m venv "$new" || fail "no virtual environment can be made in $new"
    # --isolated: no variables PIP_… and no pip.conf of this machine.
    "$new/bin/python" -I -m pip --isolated --disable-pip-version-check --no-cache-dir install \
        --quiet --no-index --find-links . --require-hashes -r requirements.txt ||
        fail "the wheels cannot be installed; the lines above have the reason"
    # A process keeps to the files that it began with, also when the link leads elsewhere.
    echo 'import os, sys; sys.path[:] = map(os.path.realpath, sys.path)' \
        >"$(echo "$new"/lib/python*/site-packages)/tailrace-real-path.pth"
    "$new/bin/python" -I -m tailrace --version >/dev/null || fail "the new installation does not run"
    touch "$new/.complete"
fi
"$new/bin/python" -I -c '
import sys
from tailrace.config import load
from tailrace.errors import ConfigError
try:
    load(sys.argv[1], runs_functions=False)
except ConfigError as error:
    sys.exit(f"install.sh: {error}")
' "$config" || fail "$config has a mistake; correct it, then run this again"

# --- from here on the machine changes ------------------------------------------------------------

old=$(readlink "$link" || true)
install -d "$units" "$units/gateway.service.d"
install -m 644 gateway.service gateway.socket gateway-logs.service gateway-logs.timer "$units"
if $has_log_files; then
    # systemd opens the files before it makes a LogsDirectory=.
    install -d /var/log/tailrace
    install -m 644 gateway-files.conf "$units/gateway.service.d/10-files.conf"
else
    rm -f "$units/gateway.service.d/10-files.conf"
fi
point_to "$new"

systemctl enable --quiet gateway.socket gateway.service ||
    fail "systemctl cannot enable the units"
if [ ! -d /run/systemd/system ]; then
    echo "install.sh: installed $new; systemd does not run here, it starts the gateway at boot"
    exit 0
fi
systemctl daemon-reload || fail "systemctl cannot read the units"

# --- start, or reload ----------------------------------------------------------------------------

generation() {
    "$link/bin/python" -I -c '
import http.client, json
admin = http.client.HTTPConnection("127.0.0.1", 8082, timeout=5)
admin.request("GET", "/statistics")
print(json.load(admin.getresponse())["node"]["generation"])' 2>/dev/null
}
property() {
    systemctl show --property "$1" --value gateway.service
}
# Reload, and wait for the end of it: systemd sees when the gateway begins and ends a reload.
reload() {
    changed=$(property StateChangeTimestampMonotonic)
    kill -HUP "$(property MainPID)"
    for _ in $(seq 600); do
        sleep 0.2
        if [ "$(property ActiveState)" = active ] &&
            [ "$(property StateChangeTimestampMonotonic)" != "$changed" ]; then
            return 0
        fi
    done
    return 1
}

if ! systemctl is-active --quiet gateway.service; then
    systemctl start gateway.socket gateway.service ||
        fail "the gateway does not start, and systemd tries again and again; the reason is in" \
            "journalctl --unit gateway, or in /var/log/tailrace/gateway.log"
    echo "install.sh: the gateway runs from $new"
else
    before=$(generation) || before=unknown
    has_ended=true
    reload || has_ended=false
    after=$(generation) || after=unknown
    if $has_ended && [ "$after" = unknown ]; then
        echo "install.sh: the gateway has no admin port 8082; its log says whether it has reloaded"
    elif ! $has_ended || [ "$before" = "$after" ]; then
        [ -z "$old" ] || point_to "$old"
        fail "the gateway has not reloaded, and goes on as before; its log has the reason"
    else
        echo "install.sh: the gateway runs from $new"
    fi
    echo "install.sh: units and options in /etc/tailrace/gateway.env count from a restart on"
fi

# Older environments, unless a process of theirs still ends what it holds.
for each in "$link"-*; do
    if [ "$each" != "$new" ] && [ "$each" != "$old" ] && [ -f "$each/.complete" ] &&
        ! grep --quiet --no-messages "$each/" /proc/[0-9]*/maps; then
        rm -rf "$each"
    fi
done
