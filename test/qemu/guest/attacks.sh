environment "attacks on Debian's kernel" 'cgroup v2' "$service"
case $(uname -m) in
  x86_64) inside exec '' $ATTEMPTS ;; # the machine at hand tells what its kernel says of filters
  *) inside exec '' $FILTERS $PACKETS $ATTEMPTS ;;
esac
