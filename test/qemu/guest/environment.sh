# One environment: `sh environment.sh NAME`. "## environment TITLE" and "## status N SECONDS" frame what it says.
export HOME=/tmp SPAWN_SANDBOX_TEST_STEPS=/app/steps
LIMITS=build/test/integration/limits.test.js
CAUSES=build/test/integration/causes.test.js
ATTEMPTS=build/test/security/attempts.test.js
FILTERS=build/test/unit/syscalls/kernel.test.js
PACKETS=build/test/integration/spawner-packets.test.js
TRACES=build/test/integration/cgroup-traces.test.js
ZYGOTES="build/test/integration/zygote-native.test.js build/test/integration/zygote-limits.test.js"
PLACE=guest/placement.test.mjs
DOCTOR=guest/doctor.test.mjs
# Of the test files only those whose name contains this; empty: all.
only=$(sed -n 's/.*spawn_sandbox_only=\([^ ]*\).*/\1/p' /proc/cmdline)
# Of zygotes and sandboxes what needs Python: there is one where the guest is made of this machine's files. What a forked Node can do is tested there
# without a guest.
LIFE= ISOLATION= SANDBOXES= LIVING= RULES= OVERLAYS= FILES= TERMINALS= NODE_OR_RULES=build/test/integration/zygote-node.test.js
if [ -e /usr/bin/python3 ]; then
  LIFE=build/test/integration/zygote-life.test.js
  SANDBOXES="build/test/integration/sandboxes.test.js build/test/security/sandboxes.test.js"
  LIVING="build/test/integration/sandboxes-pause.test.js build/test/integration/sandboxes-background.test.js"
  LIVING="$LIVING build/test/integration/sandboxes-usage.test.js build/test/security/sandboxes-pause.test.js"
  ISOLATION=build/test/security/zygote-isolation.test.js
  RULES=build/test/integration/rules.test.js
  NODE_OR_RULES=$RULES
  OVERLAYS="build/test/integration/overlays.test.js build/test/integration/roots.test.js"
  OVERLAYS="$OVERLAYS build/test/security/overlays.test.js build/test/security/rules.test.js"
  FILES="build/test/integration/sandbox-files.test.js build/test/security/sandbox-files.test.js"
  FILES="$FILES build/test/security/sandbox-files-agent.test.js"
  FILES="$FILES build/test/integration/scratch.test.js build/test/integration/scratch-on-disk.test.js"
  TERMINALS="build/test/integration/terminal.test.js build/test/security/terminal.test.js"
fi
USER_ID=1000
# Directories that tests make lie on the disk: tmpfs can show nobody's files as another's before Linux 6.3, nor hold scratch space.
export TMPDIR=/var/tmp
# Of one file of tests.
MOST_SECONDS=600
# By their paths, for the shell has lesser ones of these names built in.
AS_USER="/usr/bin/setpriv --reuid=$USER_ID --regid=$USER_ID --clear-groups"
UNSHARE=/usr/bin/unshare

service="$TOP/app.slice/$1.service" prepare=: status=0 started=$(date +%s)

# environment TITLE MEMORY-BY PLACE [PROBLEM]: what the tests shall find.
environment() {
  export SPAWN_SANDBOX_TEST_MEMORY_BY="$2" SPAWN_SANDBOX_TEST_PLACE="$3" SPAWN_SANDBOX_TEST_PROBLEM="${4-}"
  echo "## environment $1"
}

# The cgroup of the environment; $prepare is what is to be done to it. As with systemd, each start gets a fresh one: an app that
# was moved leaves one behind in which nothing can be started.
renew_service() {
  local tries=0
  # A spawner outlives its app by a moment.
  while [ -d "$service" ] && ! rmdir "$service/spawn-sandbox-app" "$service" 2> /dev/null && ! rmdir "$service" 2> /dev/null; do
    tries=$((tries + 1))
    [ $tries -gt 50 ] && echo "not ok - $service is still in use" && status=1 && return
    sleep 0.1
  done
  mkdir "$service"
  $prepare
}

# What systemd does for Delegate=yes.
delegate() {
  local entry
  for entry in . cgroup.procs cgroup.subtree_control cgroup.threads; do chown $USER_ID:$USER_ID "$service/$entry"; done
}

# inside HOW AS FILE...: enters the cgroup, and starts each of the test files with node, as AS says. HOW is "exec" where node shall
# be alone there, else empty: then a shell stays beside it.
inside() {
  local how=$1 as=$2 test
  shift 2
  for test; do
    case $test in *"$only"*) ;; *) continue ;; esac
    renew_service
    timeout -s KILL $MOST_SECONDS sh -c "echo 0 > $service/cgroup.procs; $how $as node --test-reporter=tap $test" || status=1
  done
}

. "/app/guest/$1.sh"

# The leaf is the app's, and goes with the service. A spawner outlives its app by a moment.
left() {
  find "$service" -maxdepth 1 -name 'spawn-sandbox-*' ! -name spawn-sandbox-app
}
tries=0
while [ -n "$(left)" ] && [ $tries -lt 50 ]; do
  tries=$((tries + 1))
  sleep 0.1
done
[ -n "$(left)" ] && echo "not ok - $(left) is left" && status=1
echo "## status $status $(($(date +%s) - started))"
