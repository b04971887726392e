environment 'zygotes of a root service' 'cgroup v2' "$service"
inside exec '' $ZYGOTES $LIFE $ISOLATION $NODE_OR_RULES
