#!/bin/bash
# The first boot of a machine for the gateway. What it prints is in /var/log/tailrace/boot.log, in
# the machine's console, and in CloudWatch, also if a step fails.
set -u
umask 022

source=@SOURCE@
region=@REGION@
hook=@HOOK@
has_agent=@HAS_AGENT@
log=/var/log/tailrace/boot.log

fail() {
    echo "boot: failed: $*"
    exit 1
}

# retry COMMAND...: run it until it succeeds.
retry() {
    local attempt pause=1
    for attempt in $(seq @ATTEMPTS@); do
        timeout @ATTEMPT_S@ "$@" && return
        echo "boot: attempt $attempt of @ATTEMPTS@ failed: $1 $2 $3"
        if [ "$attempt" -lt @ATTEMPTS@ ]; then
            sleep "$pause"
            pause=$((pause * 2 < @PAUSE_S@ ? pause * 2 : @PAUSE_S@))
        fi
    done
    return 1
}

write_files() {
    install -d /etc/tailrace &&
@FILES@
    true
}

# metadata PATH: of this machine, by IMDSv2.
metadata() {
    local url=http://169.254.169.254/latest token
    token=$(curl --silent --show-error --fail --max-time 5 --retry 3 --request PUT \
        --header "X-aws-ec2-metadata-token-ttl-seconds: 60" "$url/api/token") &&
        curl --silent --show-error --fail --max-time 5 --retry 3 \
            --header "X-aws-ec2-metadata-token: $token" "$url/meta-data/$1"
}

complete_hook() {
    local instance group command
    instance=$(metadata instance-id) || fail "the metadata service does not answer"
    group=$(metadata tags/instance/aws:autoscaling:groupName) ||
        fail "the metadata have no tag of an Auto Scaling group; the launch template switches tags on"
    command=(aws autoscaling complete-lifecycle-action --region "$region"
        --lifecycle-hook-name "$hook" --lifecycle-action-result CONTINUE
        --auto-scaling-group-name "$group" --instance-id "$instance")
    retry "${command[@]}" && return
    # The first machines of a stack are launched before their group has the hook.
    timeout @ATTEMPT_S@ "${command[@]}" 2>&1 | grep --quiet "(ValidationError)" ||
        fail "the hook $hook of $group cannot be completed; check the role, and the endpoint for" \
            "autoscaling"
    echo "boot: nothing waits for the hook $hook of $group"
}

boot() {
    local work
    echo "boot: begins at $(date --utc +%FT%TZ)"
    write_files || fail "the files in /etc/tailrace cannot be written"
    command -v aws >/dev/null ||
        fail "there is no command aws; use the standard image of Amazon Linux 2023"
    work=$(mktemp -d) || fail "there is no place for temporary files"
    retry aws s3 cp --only-show-errors --region "$region" "$source" "$work/gateway.zip" ||
        fail "$source cannot be read; check the role, and the gateway endpoint for S3"
    python3 -m zipfile -e "$work/gateway.zip" "$work/gateway" ||
        fail "$source is no zip archive of the folder of tailrace package gateway"
    sh "$work/gateway/install.sh" --log-files || fail "install.sh has ended with $?"
    rm -rf "$work"
    if [ -n "$hook" ]; then
        complete_hook
    fi
    echo "boot: the gateway serves at $(date --utc +%FT%TZ)"
}

agent() {
    local control=/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl
    if [ ! -x "$control" ]; then
        retry dnf install --assumeyes --quiet amazon-cloudwatch-agent || return
    fi
    timeout @ATTEMPT_S@ "$control" -a fetch-config -m ec2 -s \
            -c file:/etc/tailrace/cloudwatch-agent.json
}

install -d /var/log/tailrace
(boot) 2>&1 | tee -a "$log"
code=${PIPESTATUS[0]}
# After the gateway, which does not wait for it; and also after a failure, which it then shows.
if $has_agent; then
    (agent || echo "boot: warning: without its agent, CloudWatch has no logs and no metrics") 2>&1 |
        tee -a "$log"
fi
exit "$code"
