prepare=delegate
environment 'files and scratch space of sandboxes of an ordinary user with a delegated cgroup' 'cgroup v2' "$service"
[ -e /usr/bin/python3 ] && inside '' "$AS_USER" $FILES
