# MemoryMax= of the service is less than the step may have. A part of it is the app's own.
bound() {
  echo $((400 << 20)) > "$service/memory.max"
}
prepare=bound
environment 'a root service with a memory limit of its own' 'cgroup v2' "$service"
inside exec '' guest/bounded.test.mjs
