# The first process of a machine of its own: sh machine.sh FOLDER PYTHON SHARED ...
#
# It has namespaces of its own already. FOLDER becomes its disk, over this machine's, which it cannot
# change; the shared folders are those of this machine. PYTHON is the prefix of an installation, which
# becomes /usr/local unless it is /usr. As in a container, /proc/sys, /sys and /dev
# are not this machine's to change either.
set -eu
folder=$1
python=$2
shift 2

mount --make-rprivate /
mount -t tmpfs machine "$folder"
mkdir "$folder/changes" "$folder/work" "$folder/root"
mount -t overlay machine "$folder/root" \
    -o "lowerdir=/,upperdir=$folder/changes,workdir=$folder/work"
root=$folder/root

mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for name in run tmp dev opt var/log; do
    mkdir -p "$root/$name"
    mount -t tmpfs "$name" "$root/$name"
done
mkdir "$root/dev/pts" "$root/dev/shm"
for name in null zero full random urandom tty; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for each; do
    mkdir -p "$root$each"
    mount --bind "$each" "$root$each"
done
if [ "$python" != /usr ]; then
    mount --bind "$python" "$root/usr/local"
    mount -o remount,bind,ro "$root/usr/local"
    chroot "$root" ldconfig # its libpython may be found by a path that services cannot read
fi
# Nothing that this machine's administrator has added to systemd is started, and nothing removes
# files: shared ones may be below /tmp.
rm -rf "$root/etc/systemd/system"
mkdir -p "$root/etc/systemd/system" "$root/mnt/old"
for name in systemd-tmpfiles-setup.service systemd-tmpfiles-clean.timer; do
    ln -s /dev/null "$root/etc/systemd/system/$name"
done
chmod 1777 "$root/tmp"
ip link set lo up
# The machine's own address, and that of the metadata of EC2.
ip address add 10.0.0.7/32 dev lo
ip address add 169.254.169.254/32 dev lo

cd "$root"
pivot_root . mnt/old
umount -l /mnt/old
exec env -i container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=basic.target --log-target=journal --show-status=false
