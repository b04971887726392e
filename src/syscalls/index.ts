export { nameOfCall } from './architectures.js';
export { checkTerminalCalls } from './check.js';
export { compileForZygote, compileSyscalls } from './compile/compile.js';
export { disassemble } from './disassemble.js';
export type { ErrnoName } from './errno.js';
export { explain } from './explain.js';
export { evaluate } from './interpreter.js';
export { overrideSyscalls, resolveSyscalls } from './resolve.js';
export { alwaysRefuses, decideAlike, refusesSetId } from './compare.js';
export { combine } from './seccomp.js';
export { zygoteSyscalls } from './zygote.js';
export type {
  Architecture,
  ArgumentCondition,
  ArgumentIndex,
  ArgumentWidth,
  CompiledSyscalls,
  Explanation,
  OtherwiseRule,
  ResolvedSyscallPolicy,
  SeccompData,
  SyscallOption,
  SyscallPolicy,
  SyscallPreset,
  SyscallRule,
  Verdict,
} from './types.js';
