# What ordinary programs do, with nothing that only namespaces give. Bash.
set -e
pwd
cd "$TMPDIR"
echo two > b
mv b a
mkdir -p d/e
mv a d/e/
cat d/e/a
ln -s a d/e/l
rm -r d
cat <(echo substituted)
echo to-stdout > /dev/stdout
/usr/bin/python3 -c '
import socket, subprocess, tempfile
socket.socketpair()
tempfile.TemporaryFile().write(b"x")
print(subprocess.check_output(["echo", "child"], text=True))'
awk 'BEGIN { print 6 * 7 }'
