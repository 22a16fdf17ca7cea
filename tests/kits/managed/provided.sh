# Makes the folders of an OS-only runtime in this mount namespace, and starts the function's program.
#
# usage: provided.sh TASK OPT HIDDEN HANDLER
# HIDDEN are folders with colons between them, which the machine of a function has not. The emulator
# takes the last word for _HANDLER.
set -e
task=$1 opt=$2 hidden=$3
bind() { mount --bind "$1" "$2"; }
# On Lambda they cannot be written. Not everywhere may a user who is not root change that.
bind_read_only() { mount --bind -o ro "$1" "$2" 2>/dev/null || bind "$1" "$2"; }

mount -t tmpfs tailrace /mnt
mkdir -p /mnt/var/task /mnt/var/runtime /mnt/var/tmp /mnt/opt
bind_read_only "$task" /mnt/var/task
bind_read_only "${opt:-/mnt/opt}" /opt
mount --rbind /mnt/var /var
bind /bin/bash /bin/sh # as on Amazon Linux
IFS=:
for folder in $hidden; do
    mount -t tmpfs tailrace "$folder"
done
unset IFS

unset PYTHONPATH AWS_EXECUTION_ENV
cd /var/task
unset OLDPWD
export LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime LANG=en_US.UTF-8 TZ=:UTC
export PATH=/usr/local/bin:/usr/bin/:/bin:/opt/bin
export LD_LIBRARY_PATH=/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib
exec /var/task/bootstrap
