# The guest's clock may be set, and its cgroups are version 2.
environment 'faults: a clock that jumps, no more cgroups' 'cgroup v2' "$service"
inside exec '' guest/faults.test.mjs
