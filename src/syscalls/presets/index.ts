import type { SyscallPolicy, SyscallPreset } from '../types.js';
import { BUILD } from './build.js';
import { DEFAULT } from './default.js';
import { STRICT } from './strict.js';

export const PRESETS: Readonly<Record<SyscallPreset, SyscallPolicy>> = {
  default: DEFAULT,
  strict: STRICT,
  build: BUILD,
};

export function isPreset(value: unknown): value is SyscallPreset {
  return typeof value === 'string' && Object.hasOwn(PRESETS, value);
}
