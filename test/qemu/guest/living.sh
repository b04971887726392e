environment 'sandboxes that are paused, looked at and left something' 'cgroup v2' "$service"
[ -e /usr/bin/python3 ] && inside exec '' $LIVING
