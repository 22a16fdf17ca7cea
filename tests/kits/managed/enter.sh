# Makes the folders of a managed Python runtime in this mount namespace, and starts its program.
#
# usage: enter.sh TASK OPT PREFIX PYTHON PACKAGES SOURCES HANDLER
# PREFIX is an installation of PYTHON (python3.X), PACKAGES has awslambdaric for it, and SOURCES is
# what the emulator adds to PYTHONPATH. The emulator takes the last word for _HANDLER.
set -e
kit=${0%/*} task=$1 opt=$2 prefix=$3 python=$4 packages=$5 sources=$6
bind() { mount --bind "$1" "$2"; }
# On Lambda they cannot be written. Not everywhere may a user who is not root change that.
bind_read_only() { mount --bind -o ro "$1" "$2" 2>/dev/null || bind "$1" "$2"; }

mount -t tmpfs tailrace /mnt
mkdir -p /mnt/var/task /mnt/var/runtime /mnt/var/lang /mnt/var/tmp /mnt/opt /mnt/packages
bind_read_only "$task" /mnt/var/task
bind_read_only "$kit/runtime" /mnt/var/runtime
bind "$prefix" /mnt/var/lang
for name in awslambdaric runtime_client.* simplejson snapshot_restore_py.py \
    boto3 botocore s3transfer jmespath dateutil urllib3 six.py; do
    for path in "$packages"/$name; do
        [ ! -e "$path" ] || ln -s "$path" /mnt/packages/
    done
done
bind /mnt/packages "/mnt/var/lang/lib/$python/site-packages"
bind_read_only "${opt:-/mnt/opt}" /opt
mount --rbind /mnt/var /var
bind /bin/bash /bin/sh # as on Amazon Linux

# What the emulator sets for a function that is not in a managed runtime.
PYTHONPATH=${PYTHONPATH%"$sources"}
PYTHONPATH=${PYTHONPATH%:}
[ -n "$PYTHONPATH" ] || unset PYTHONPATH
unset AWS_EXECUTION_ENV
cd /var/task
unset OLDPWD
export LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime LANG=en_US.UTF-8 TZ=:UTC
export PATH=/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin
export LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task
LD_LIBRARY_PATH=$LD_LIBRARY_PATH:/var/task/lib:/opt/lib
exec /var/runtime/bootstrap
