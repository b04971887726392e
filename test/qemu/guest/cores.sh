# The guest's two processors are the threads of one core.
environment 'cores with two threads' 'cgroup v2' "$service"
[ -e /usr/bin/python3 ] && inside exec '' guest/cores.test.mjs
