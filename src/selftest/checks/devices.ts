import type { Check } from '../check.js';
import { refused } from '../judge.js';

/** What stands in /dev of machines, and a program has no use for. */
const NODES =
  'mem kmem port kmsg vda sda nvme0n1 dm-0 loop0 loop-control mapper/control fuse kvm vhost-net vhost-vsock vsock net/tun rtc0 hpet nvram watchdog uinput uhid input/event0 input/mice snd/timer dri/card0 dri/renderD128 fb0 tty0 tty1 ttyS0 console vcs vcsa ppp cuse hwrng tpm0 autofs btrfs-control cpu/0/msr mcelog userfaultfd udmabuf dma_heap/system snapshot rfkill vfio/vfio bus/usb/001/001 ptp0'.split(
    ' ',
  );

/** By numbers, in case that a node can be made. */
const NUMBERS: Readonly<Record<string, readonly [type: 'b' | 'c', major: number, minor: number]>> = {
  mem: ['c', 1, 1],
  kmsg: ['c', 1, 11],
  null: ['c', 1, 3],
  'loop-control': ['c', 10, 237],
  fuse: ['c', 10, 229],
  tun: ['c', 10, 200],
  disk: ['b', 254, 0],
  loop: ['b', 7, 0],
  console: ['c', 5, 1],
};

export const DEVICES: readonly Check[] = [
  ...NODES.map((name): Check => ({
    group: 'devices',
    id: `open-${name}`,
    title: `opens /dev/${name}`,
    operation: ['open', `/dev/${name}`],
    judge: refused,
  })),
  ...Object.entries(NUMBERS).map(([name, [type, major, minor]]): Check => ({
    group: 'devices',
    id: `make-${name}`,
    title: `makes the device ${name} and opens it`,
    operation: ['device', type, major, minor],
    judge: refused,
  })),
  {
    group: 'devices',
    id: 'terminal',
    title: 'opens the terminal of its launcher',
    operation: ['terminal'],
    judge: refused,
  },
];
