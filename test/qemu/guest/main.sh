# The guest's first process from its disk on: mounts what a system has, lays the cgroups out as systemd does, and runs the
# environments in two lanes, for there are two processors.
export PATH=/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/shm /dev/pts
mount -t devpts devpts /dev/pts
for place in /tmp /run /dev/shm; do mount -t tmpfs -o mode=1777 tmpfs "$place"; done
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
hostname guest
echo '## booted'
cd /app || poweroff -f

# The first process in a leaf, controllers on, slices with controllers, apps in leaves.
export TOP=/sys/fs/cgroup
mkdir "$TOP/init.scope" "$TOP/app.slice"
echo $$ > "$TOP/init.scope/cgroup.procs"
for directory in "$TOP" "$TOP/app.slice"; do echo "+memory +pids +cpu" > "$directory/cgroup.subtree_control"; done

wanted=$(sed -n 's/.*spawn_sandbox_wanted=\([^ ]*\).*/\1/p' /proc/cmdline | tr ',' ' ')

is_wanted() {
  [ -z "$wanted" ] && return 0
  for part in $wanted; do case $1 in *"$part"*) return 0 ;; esac; [ "$part" = "=$1" ] && return 0; done
  return 1
}

# Each line says whose it is: the lanes speak at the same time.
lane() {
  for name; do
    is_wanted "$name" || continue
    sh guest/environment.sh "$name" 2>&1 | while IFS= read -r line; do echo "$name| $line"; done
  done
}

lane service container zygotesundelegated zygotesdelegated undelegated stranger busy launcher terminals overlaysdelegated files &
lane attacks zygotes delegated living readonly bounded terminalsdelegated overlays filesdelegated faults &
# Of a kernel that is built for it.
[ "$wanted" = cores ] && lane cores
wait
echo "## done"
poweroff -f
