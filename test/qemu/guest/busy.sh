# Everything in one cgroup: a user cannot move what root runs beside it, and no limits can be passed on.
sleep 1000 &
stranger=$!
delegate_with_stranger() {
  delegate
  echo $stranger > "$service/cgroup.procs"
}
prepare=delegate_with_stranger
environment 'an ordinary user whose delegated cgroup holds a process of root' 'watched' '' cgroup-busy
inside exec "$AS_USER" $PLACE $DOCTOR
kill $stranger
