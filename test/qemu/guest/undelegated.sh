environment 'an ordinary user without a cgroup of its own' 'watched' ''
inside exec "$AS_USER" $LIMITS $SANDBOXES $PLACE
