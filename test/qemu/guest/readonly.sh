environment 'root where cgroups are read-only' 'watched' '' cgroup-read-only
cat > /run/readonly << 'READONLY'
mount --bind /sys/fs/cgroup /sys/fs/cgroup
mount -o remount,bind,ro /sys/fs/cgroup
exec "$@"
READONLY
inside exec "$UNSHARE --mount sh /run/readonly" $PLACE $DOCTOR
