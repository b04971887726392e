prepare=delegate
environment 'zygotes of an ordinary user with a delegated cgroup' 'cgroup v2' "$service"
inside '' "$AS_USER" $ZYGOTES $ISOLATION $RULES
