environment 'a root service that a shell has started' 'cgroup v2' "$service"
inside '' '' $PLACE
