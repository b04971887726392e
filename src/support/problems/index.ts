import type { Evidence } from '../evidence.js';
import type { SupportProblem } from '../report.js';
import { cgroupParent, cgroups, controllerDisabled } from './cgroups.js';
import { seccompFilter } from './filter.js';
import {
  capabilitiesMissing,
  groupsKept,
  leaseImpossible,
  newuidmapFailed,
  newuidmapMissing,
  subuidMissing,
} from './identities.js';
import {
  idmappedMounts,
  kernelLacks,
  coreSchedulingMissing,
  landlockMissing,
  namespaceLimit,
  seccompMissing,
  seccompNotify,
} from './kernel.js';
import { leftovers } from './leftovers.js';
import { apparmorContainer, procMasked, procNotMounted, procSysReadOnly } from './mounts.js';
import type { Diagnosis } from './problem.js';
import { nativeMissing, spawnerNotStarted, stateDirectory, unsupportedPlatform } from './programs.js';
import { apparmorInside, userNamespaces } from './user-namespaces.js';

/** Where nothing could be tried, nothing else is worth saying. */
const NOTHING_TO_TRY: readonly Diagnosis[] = [unsupportedPlatform, nativeMissing, spawnerNotStarted];

/** In the order in which the causes are met, and are to be removed. */
const DIAGNOSES: readonly Diagnosis[] = [
  stateDirectory,
  seccompFilter,
  userNamespaces,
  apparmorInside,
  kernelLacks,
  namespaceLimit,
  apparmorContainer,
  procMasked,
  procNotMounted,
  procSysReadOnly,
  seccompMissing,
  capabilitiesMissing,
  leaseImpossible,
  newuidmapMissing,
  subuidMissing,
  newuidmapFailed,
  groupsKept,
  cgroupParent,
  controllerDisabled,
  cgroups,
  seccompNotify,
  landlockMissing,
  coreSchedulingMissing,
  idmappedMounts,
];

const SEVERITIES = ['error', 'warning', 'note'] as const;

/** Every cause that the evidence shows, most severe first. Pure. */
export function diagnose(evidence: Evidence): readonly SupportProblem[] {
  const fatal = NOTHING_TO_TRY.flatMap((diagnosis) => diagnosis(evidence) ?? []);
  if (fatal.length > 0) return fatal;
  const found = DIAGNOSES.flatMap((diagnosis) => diagnosis(evidence) ?? []);
  const all = [...found, ...leftovers(evidence, found)];
  return SEVERITIES.flatMap((severity) => all.filter((problem) => problem.severity === severity));
}
