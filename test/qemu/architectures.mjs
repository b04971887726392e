// What differs between the machines that are emulated; the tests are the same. A machine of this one's architecture is made of this
// machine's files, another one of its Debian packages.

export const ARCHITECTURES = {
  x64: {
    debian: 'amd64',
    emulator: 'qemu-system-x86_64',
    emulatorPackage: 'qemu-system-x86',
    machine: ['-cpu', 'max'],
    console: 'ttyS0',
    compiler: 'cc',
    compilerPackages: 'gcc libc6-dev',
    environments: [],
  },
  arm64: {
    debian: 'arm64',
    emulator: 'qemu-system-aarch64',
    emulatorPackage: 'qemu-system-arm',
    // One that has the 32-bit instructions, too, which a step must not get to.
    machine: ['-machine', 'virt', '-cpu', 'cortex-a72'],
    console: 'ttyAMA0',
    compiler: 'aarch64-linux-gnu-gcc',
    compilerPackages: 'gcc-aarch64-linux-gnu libc6-dev-arm64-cross',
    // What may depend on the architecture; how cgroups are found does not.
    environments: ['attacks', 'service', 'undelegated', 'zygotes'],
  },
};
