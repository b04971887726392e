/** One line of `/proc/PID/mountinfo`. */
export interface MountPoint {
  /** Which part of the file system is mounted. */
  readonly root: string;
  readonly target: string;
  readonly type: string;
  /** Of the mount and of the file system. */
  readonly options: readonly string[];
}

/** In the order of mounting: of several at one target the last is the one to be seen. */
export function parseMountinfo(text: string): readonly MountPoint[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root, target, own = ''] = before.split(' ');
    const [type, , whole = ''] = after.split(' ');
    if (root === undefined || target === undefined || type === undefined) return [];
    return [
      { root: unescape(root), target: unescape(target), type, options: [...own.split(','), ...whole.split(',')] },
    ];
  });
}

/** Blanks and the like are octal there. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}

export function isReadOnly({ options }: MountPoint): boolean {
  return options.includes('ro');
}

/** The mount that a look at `path` ends in. */
export function mountOf(mounts: readonly MountPoint[], path: string): MountPoint | undefined {
  let best: MountPoint | undefined;
  for (const mount of mounts) {
    if (isBelow(path, mount.target) && mount.target.length >= (best?.target.length ?? 0)) best = mount;
  }
  return best;
}

function isBelow(path: string, directory: string): boolean {
  return path === directory || directory === '/' || path.startsWith(`${directory}/`);
}

/** Directories that procfs itself keeps empty for others to mount on: whatever is there hides nothing. */
const MEANT_FOR_MOUNTS = ['/proc/sys/fs/binfmt_misc', '/proc/fs/nfsd', '/proc/xen'];

/** What hides parts of `/proc`: the kernel lets nobody below mount a new one that would show them. */
export function masksOverProc(mounts: readonly MountPoint[]): readonly string[] {
  const below = mounts.map(({ target }) => target).filter((target) => target.startsWith('/proc/'));
  return [...new Set(below)].filter((target) => !MEANT_FOR_MOUNTS.includes(target)).sort();
}

/** A whole `/proc` that is to be seen at its place. */
export function hasProc(mounts: readonly MountPoint[]): boolean {
  const proc = mountOf(mounts, '/proc');
  return proc?.target === '/proc' && proc.type === 'proc' && proc.root === '/';
}
