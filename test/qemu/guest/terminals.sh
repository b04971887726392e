environment 'terminals' 'cgroup v2' "$service"
[ -e /usr/bin/python3 ] && inside exec '' $TERMINALS
