environment 'an ordinary user without a cgroup of its own' 'watched' '' cgroup-undelegated
inside exec "$AS_USER" $LIMITS $SANDBOXES $PLACE $DOCTOR
