environment 'files and scratch space of sandboxes' 'cgroup v2' "$service"
[ -e /usr/bin/python3 ] && inside exec '' $FILES
