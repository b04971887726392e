# As container engines do: the container's own cgroup is the root of what it sees, and a shell is its first process. What starts it
# stays outside.
environment 'a container that is the root of its cgroup namespace' 'cgroup v2' "$TOP"
export only
cat > /run/container << 'CONTAINER'
mount -t proc proc /proc
umount /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for test; do
  case $test in *"$only"*) ;; *) continue ;; esac
  node --test-reporter=tap "$test" || status=1
done
exit "${status:-0}"
CONTAINER
renew_service
timeout -s KILL $((MOST_SECONDS * 2)) $UNSHARE --mount --pid --fork \
  sh -c "echo 0 > $service/cgroup.procs; exec $UNSHARE --cgroup sh /run/container $LIMITS $PLACE $DOCTOR" || status=1
