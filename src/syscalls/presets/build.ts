import { allow } from '../rules/vocabulary.js';
import type { SyscallPolicy } from '../types.js';

const PER_LINUX32 = 0x0008;
const UNAME26 = 0x0020000;
const ADDR_NO_RANDOMIZE = 0x0040000;
const HARMLESS = PER_LINUX32 | UNAME26 | ADDR_NO_RANDOMIZE;

/** Compilers and package managers: what they need beyond `default`. Set-id files stay refused. */
export const BUILD: SyscallPolicy = {
  extends: 'default',
  rules: [
    allow('personality', 'setarch, and programs under a sanitizer that execute themselves anew at fixed addresses', [
      { argument: 0, mask: 0xffffffff - HARMLESS, equals: 0 },
    ]),
    allow('ioprio_set', 'ionice in build and install scripts; a real-time class needs a capability'),
    allow('sync', 'install scripts end with it'),
    allow(['set_mempolicy', 'mbind'], 'build tools that place their workers; bounded by the cpu and memory layers'),
  ],
};
