# Somebody else's process is not moved, so the sandboxes are one level up.
sleep 1000 &
stranger=$!
add_stranger() {
  echo $stranger > "$service/cgroup.procs"
}
prepare=add_stranger
environment 'a root service with a stranger in its cgroup' 'cgroup v2' "$TOP/app.slice"
inside exec '' $PLACE $DOCTOR
kill $stranger
