#!/bin/busybox sh
# The first process of the virtual machine: finds the disk and goes on there.
B=/bin/busybox
$B mount -t devtmpfs dev /dev
for module in /modules/*.ko; do [ -e "$module" ] && $B insmod "$module"; done
$B mount -t ext4 /dev/vda /root || $B poweroff -f
# An image made by an ordinary user holds that user's files.
[ "$($B stat -c %u /root/app)" = 0 ] || $B chown -R 0:0 /root
$B mount -o move /dev /root/dev
# Names for what busybox can do, but where there is a program of that name.
$B chroot /root /usr/bin/busybox --install -s /usr/bin 2> /dev/null
exec $B switch_root /root /bin/busybox sh /app/guest/main.sh
