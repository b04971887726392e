import type { AuditEvidence } from './evidence.js';
import { type Finding, type FindingCode, FINDINGS, SEVERITIES, type Severity } from './report.js';

type Diagnosis = (evidence: AuditEvidence) => Finding | undefined;
type Details = Omit<Finding, 'code' | 'title'>;

function finding(code: FindingCode, details: Details): Finding {
  return { code, title: FINDINGS[code], ...details };
}

/** Says nothing when there are no facts. */
function listed(
  code: FindingCode,
  evidence: readonly string[],
  details: Omit<Details, 'evidence'>,
): Finding | undefined {
  return evidence.length === 0 ? undefined : finding(code, { ...details, evidence });
}

const smt: Diagnosis = ({ smtActive, processors }) =>
  smtActive === true
    ? finding('smt-active', {
        severity: 'medium',
        reason:
          'Two threads of one core share its caches and buffers, so that a step can measure what the app, or another step, does beside it. Nothing keeps them on cores of their own, unless the step has the option coreScheduling.',
        evidence: [`/sys/devices/system/cpu/smt/active is 1 (${processors} processors)`],
        remedy: `echo off | sudo tee /sys/devices/system/cpu/smt/control     # until the next start
# For good: nosmt on the kernel's command line, or the firmware's setting.
# Or, for each step that is not trusted (a kernel of 5.14 or later): { coreScheduling: true }`,
      })
    : undefined;

const vulnerable: Diagnosis = ({ vulnerabilities }) => {
  const open = [...vulnerabilities].filter(([, state]) => state.startsWith('Vulnerable'));
  return listed(
    'cpu-vulnerable',
    open.map(([name, state]) => `${name}: ${state}`),
    {
      severity: 'medium',
      reason:
        'The kernel says that it cannot keep a program from reading memory of others by way of the processor. No sandbox that shares the kernel can.',
      remedy: `sudo apt-get install -y intel-microcode amd64-microcode     # the package of your processor, then restart
# In a virtual machine the host has to have it. Without mitigations=off on the kernel's command line.`,
    },
  );
};

const secrets: Diagnosis = ({ readableSecrets }) =>
  listed('secret-readable', readableSecrets, {
    severity: 'high',
    reason:
      'By its mode every user may read it, so a step does as soon as a directory above it is shown to it. Steps have no other rights than the mode gives.',
    remedy: `chmod o-rwx FILE      # and hide it from steps: filesystem: { hide: ['.env', '**/*.pem'] }
# Kubernetes: automountServiceAccountToken: false, where the app needs no token.`,
  });

const sockets: Diagnosis = ({ writableSockets }) =>
  listed('socket-writable', writableSockets, {
    severity: 'high',
    reason:
      'Whoever can write to it starts containers with the rights of root. A step that is shown the directory can.',
    remedy: `sudo chmod o-rw SOCKET      # a group for those who need it
# Never mount the directory of such a socket for a step.`,
  });

const code: Diagnosis = ({ writablePaths }) =>
  listed('code-writable', writablePaths, {
    severity: 'high',
    reason:
      'A step that gets to write there, by a writable mount or as another process of some user, changes what the app does next, outside of every sandbox.',
    remedy: `chmod o-w PATH      # a directory that all must share: chmod +t
# Keep what steps may write apart from what the app runs.`,
  });

const metadata: Diagnosis = ({ metadata: reachable }) =>
  listed(
    'metadata-reachable',
    reachable.map((address) => `${address} accepts connections`),
    {
      severity: 'medium',
      reason:
        "A step with network: 'host' asks there for the credentials of the machine. Steps without it, as by default, cannot.",
      remedy: `# AWS: aws ec2 modify-instance-metadata-options --http-tokens required --http-put-response-hop-limit 1
# Else drop the address for all but root:
sudo nft add table inet metadata && sudo nft add chain inet metadata out '{ type filter hook output priority 0; }'
sudo nft add rule inet metadata out ip daddr 169.254.169.254 meta skuid != 0 drop`,
    },
  );

const services: Diagnosis = ({ listeners }) =>
  listed('services-reachable', listeners, {
    severity: 'low',
    reason:
      "A step with network: 'host' can talk to each of them as if it were the app, also to those that listen on the loopback interface only. Steps without it, as by default, see none.",
    remedy: `# Give such services a password, or a Unix socket in a directory that steps are not shown.
# Leave network at 'none' where a step needs no network.`,
  });

const ptrace: Diagnosis = ({ settings, isRoot }) => {
  const scope = settings.get('kernel/yama/ptrace_scope');
  if (scope !== undefined && scope !== '0') return undefined;
  return finding('ptrace-unrestricted', {
    severity: isRoot ? 'note' : 'low',
    reason: `A process of the app's user that is in no sandbox may read the app's memory. Steps may not: they have no such system call, and see no process of the host.`,
    evidence: [
      scope === undefined ? '/proc/sys/kernel/yama/ptrace_scope is not there' : 'kernel.yama.ptrace_scope is 0',
    ],
    remedy: `sudo sysctl -w kernel.yama.ptrace_scope=1
echo kernel.yama.ptrace_scope=1 | sudo tee /etc/sysctl.d/60-ptrace.conf`,
  });
};

/** A setting that should have another value. */
function setting(
  code: FindingCode,
  path: string,
  isWrong: (value: string) => boolean,
  details: { readonly severity: Severity; readonly reason: string; readonly wanted: string },
): Diagnosis {
  const name = path.replaceAll('/', '.');
  return ({ settings }) => {
    const value = settings.get(path);
    if (value === undefined || !isWrong(value)) return undefined;
    const { severity, reason, wanted } = details;
    return finding(code, {
      severity,
      reason,
      evidence: [`${name} is ${value}`],
      remedy: `sudo sysctl -w ${name}=${wanted}
echo ${name}=${wanted} | sudo tee /etc/sysctl.d/60-${name}.conf`,
    });
  };
}

const bpf = setting('bpf-unprivileged', 'kernel/unprivileged_bpf_disabled', (value) => value === '0', {
  severity: 'medium',
  reason:
    'Every program outside of a sandbox may run code in the kernel that has been a way to its memory again and again. Steps may not: the call is refused.',
  wanted: '2',
});

const addresses = setting('addresses-not-random', 'kernel/randomize_va_space', (value) => value !== '2', {
  severity: 'medium',
  reason: 'Whoever finds a hole in the app, or in a library of it, knows where everything lies.',
  wanted: '2',
});

const pointers = setting('kernel-addresses-shown', 'kernel/kptr_restrict', (value) => value === '0', {
  severity: 'low',
  reason:
    'Programs outside of a sandbox that may read them learn where the kernel lies. Steps see none of those files.',
  wanted: '1',
});

const log = setting('log-readable', 'kernel/dmesg_restrict', (value) => value === '0', {
  severity: 'low',
  reason: "The kernel's log tells of every crash and of addresses. Steps cannot read it: the call is refused.",
  wanted: '1',
});

const core: Diagnosis = ({ settings }) => {
  const pattern = settings.get('kernel/core_pattern') ?? '';
  if (!pattern.startsWith('|')) return undefined;
  return finding('core-handler', {
    severity: 'note',
    reason:
      'The kernel starts it as root for whatever crashes, the app included, whose memory it is given. Steps are kept from waking it by a limit that they cannot change.',
    evidence: [`kernel.core_pattern is ${pattern}`],
    remedy: `sudo sysctl -w kernel.core_pattern=core      # where nobody collects them
# Or ulimit -c 0 for the app.`,
  });
};

const LINKS = ['fs/protected_symlinks', 'fs/protected_hardlinks', 'fs/protected_fifos', 'fs/protected_regular'];
const links: Diagnosis = ({ settings }) => {
  const open = LINKS.filter((path) => settings.get(path) === '0');
  return listed(
    'links-unprotected',
    open.map((path) => `${path.replaceAll('/', '.')} is 0`),
    {
      severity: open.some((path) => path.endsWith('links')) ? 'medium' : 'low',
      reason:
        'What one user leaves in /tmp, another one can be led by, or made to write to. An app that reads what steps have written there is.',
      remedy: open.map((path) => `sudo sysctl -w ${path.replaceAll('/', '.')}=1`).join('\n'),
    },
  );
};

const DIAGNOSES: readonly Diagnosis[] = [
  secrets,
  sockets,
  code,
  metadata,
  services,
  smt,
  vulnerable,
  bpf,
  addresses,
  links,
  ptrace,
  pointers,
  log,
  core,
];

/** Pure: the same evidence gives the same findings, most severe first. */
export function findingsOf(evidence: AuditEvidence): readonly Finding[] {
  const found = DIAGNOSES.flatMap((diagnose) => diagnose(evidence) ?? []);
  return found.toSorted((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}
