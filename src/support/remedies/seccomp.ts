/** Every call that making a sandbox needs and that Docker's and Kubernetes' default filters refuse. */
export const NEEDED_CALLS = [
  'clone',
  'clone3',
  'fsconfig',
  'fsmount',
  'fsopen',
  'keyctl',
  'mount',
  'mount_setattr',
  'move_mount',
  'open_tree',
  'pivot_root',
  'sethostname',
  'setns',
  'umount2',
  'unshare',
] as const;

/** Rules that refuse a call are taken out: a container engine keeps the first rule that it reads for a call. */
const ALLOW = `.syscalls |= [{names: $calls, action: "SCMP_ACT_ALLOW"}] + map(.names -= $calls | select(.names != []))`;

/** Turns the engine's default profile into one that lets sandboxes be made. */
export const MAKE_PROFILE = [
  '# 1. Take the default profile of the container engine and allow what making a sandbox needs:',
  'curl -fLO https://raw.githubusercontent.com/moby/profiles/main/seccomp/default.json',
  `jq --argjson calls '${JSON.stringify(NEEDED_CALLS)}' '${ALLOW}' default.json > spawn-sandbox.json`,
].join('\n');
