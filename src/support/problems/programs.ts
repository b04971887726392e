import { LAYERS } from '../../layers.js';
import { type Diagnosis, problem } from './problem.js';

export const unsupportedPlatform: Diagnosis = ({ platform }) => {
  if (platform.startsWith('linux-')) return undefined;
  const name = platform.startsWith('darwin') ? 'macOS' : platform.startsWith('win32') ? 'Windows' : platform;
  return problem('unsupported-platform', {
    severity: 'error',
    reason: `spawn-sandbox confines with namespaces, seccomp and cgroups, which only Linux has. On ${name} no layer at all can be enforced, and no step is ever run without them.`,
    evidence: [`process.platform and process.arch: ${platform}`],
    remedy:
      name === 'Windows'
        ? `# Run the app in Linux on this machine, by WSL 2:
wsl --install
# or in a Linux container or virtual machine.`
        : `# Run the app in Linux on this machine, in a virtual machine or a container:
docker run --rm -it -v "$PWD":/app -w /app --security-opt seccomp=unconfined --security-opt systempaths=unconfined node:22 node app.js`,
    affects: LAYERS,
  });
};

export const nativeMissing: Diagnosis = ({ broken, platform }) => {
  if (broken?.code !== 'ERR_NATIVE_MISSING' || !platform.startsWith('linux-')) return undefined;
  return problem('native-missing', {
    severity: 'error',
    reason: broken.message,
    evidence: [`this system: ${platform}`],
    remedy: broken.remedy ?? 'make -C node_modules/spawn-sandbox/native   # needs gcc, make and libc6-dev',
    affects: LAYERS,
  });
};

export const spawnerNotStarted: Diagnosis = ({ broken, spawnerPath, mounts }) => {
  if (broken === undefined || broken.code === 'ERR_NATIVE_MISSING' || broken.code === 'ERR_UNSUPPORTED_PLATFORM')
    return undefined;
  const noexec = mounts.filter(
    ({ target, options }) => options.includes('noexec') && spawnerPath.startsWith(`${target}/`),
  );
  return problem('spawner-not-started', {
    severity: 'error',
    reason: broken.message,
    evidence: [`the spawner: ${spawnerPath}`, ...noexec.map(({ target }) => `${target} is mounted noexec`)],
    remedy:
      noexec.length > 0
        ? 'Install the package on a file system that is not mounted noexec.'
        : `# Check that it can be executed here:
ls -l ${spawnerPath}; file ${spawnerPath}; ${spawnerPath} </dev/null; echo $?
# and build it again if not: make -C native`,
    affects: LAYERS,
  });
};

export const stateDirectory: Diagnosis = ({ failure }) => {
  if (failure?.stage !== 'configure') return undefined;
  const place = failure.path === '' ? 'the state directory' : failure.path;
  const readOnly = failure.errno === 'EROFS';
  return problem('state-directory', {
    severity: 'error',
    reason: `The spawner keeps its leases and records in ${place}, and cannot: ${failure.errno || 'the system gave no reason'}.${
      failure.errno === 'EPERM' ? ' It must belong to the user of the app, and nobody else may write to it.' : ''
    }`,
    evidence: [`${place}: ${failure.errno}`],
    remedy: readOnly
      ? `# A container with a read-only root file system: give it a tmpfs there.
docker run --tmpfs /run IMAGE        # Kubernetes: an emptyDir volume at /run
# or name another directory: configureSpawner({ stateDirectory: '/path/that/can/be/written' })`
      : `ls -ld ${place}
# Name a directory that the app's user owns: configureSpawner({ stateDirectory: '/path/of/its/own' })`,
    affects: LAYERS,
  });
};
