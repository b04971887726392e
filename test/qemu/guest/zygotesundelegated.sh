environment 'zygotes of an ordinary user without a cgroup of its own' 'watched' ''
inside exec "$AS_USER" $ZYGOTES $ISOLATION
