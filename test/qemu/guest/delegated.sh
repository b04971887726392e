# What systemd does for Delegate=yes.
delegate() {
  local entry
  for entry in . cgroup.procs cgroup.subtree_control cgroup.threads; do chown $USER_ID:$USER_ID "$service/$entry"; done
}
prepare=delegate
environment 'an ordinary user with a delegated cgroup' 'cgroup v2' "$service"
inside '' "$AS_USER" $LIMITS $TRACES $PLACE
