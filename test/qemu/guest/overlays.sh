environment 'overlays, rules and roots' 'cgroup v2' "$service"
[ -e /usr/bin/python3 ] && inside exec '' $OVERLAYS
