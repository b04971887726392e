prepare=delegate
environment 'an ordinary user with a delegated cgroup' 'cgroup v2' "$service"
inside '' "$AS_USER" $LIMITS $TRACES $SANDBOXES $PLACE $DOCTOR
