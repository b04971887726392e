environment 'a root service, alone in its cgroup' 'cgroup v2' "$service"
inside exec '' $LIMITS $CAUSES $TRACES $SANDBOXES $PLACE $DOCTOR
