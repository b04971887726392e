export { ERROR_CODES, type ErrorCode, SandboxError, type SandboxErrorDetails, StepError } from './errors.js';
export type { UnpackedImage, UnpackOptions } from './image/types.js';
export { unpackImage } from './image/unpack-image.js';
export {
  type AnyLayer,
  type Enforced,
  LAYERS,
  type Layer,
  type LayerState,
  NAMESPACES,
  OPTIONAL_LAYERS,
  type OptionalLayer,
} from './layers.js';
export type { FilesystemOptions, Mount } from './options/filesystem.js';
export type { LimitOptions } from './options/limits.js';
export type { Input, OutputMode, SandboxOptions, UserOptions } from './options/sandbox-options.js';
export type { SpawnerOptions } from './options/spawner-options.js';
export type { Cause, Denial, Limit, StepFailure, StepResult, Usage } from './result.js';
export type { Change, Entry, EntryType } from './sandbox/overlays/change.js';
export type { CommitOptions } from './sandbox/overlays/selection.js';
export type {
  CopyInOptions,
  CopyOptions,
  CopyOutOptions,
  CopyResult,
  FileContent,
  FileEntry,
  FileOptions,
  FileStatus,
  FileType,
  ListOptions,
  ReadOptions,
  RemoveOptions,
  SandboxFiles,
  SandboxPath,
  WriteOptions,
} from './sandbox/files/types.js';
export type {
  SandboxEndEvent,
  SandboxEvents,
  SandboxListener,
  SandboxOverEvent,
  SandboxStartEvent,
} from './sandbox/events.js';
export { createSandbox } from './sandbox/sandbox.js';
export type { Sandbox } from './sandbox/types.js';
export type { SandboxEnd } from './sandbox/session.js';
export type { CommandUsage, SandboxUsage } from './sandbox/usage.js';
export { spawnSandbox } from './spawn-sandbox.js';
export { closeSpawner, configureSpawner } from './spawner/shared.js';
export type { LineIterator } from './step/lines.js';
export type { Step } from './step/step.js';
export { checkSupport } from './support/check-support.js';
export type { ContainerKind } from './support/environment.js';
export type { ProblemCode } from './support/problem-codes.js';
export type { ProbeName } from './support/probes.js';
export type {
  LayerSupport,
  SelfTest,
  SelfTestError,
  SupportEnvironment,
  SupportProbe,
  SupportProblem,
  SupportReport,
} from './support/report.js';
export type { SyscallPolicy } from './syscalls/index.js';
export { checkArrowFile } from './tables/check-arrow-file.js';
export type { ArrowCheckOptions } from './tables/limits.js';
export type { ArrowColumn, ArrowSummary } from './tables/report.js';
export { defineStep } from './typed/define-step.js';
export type { ParamsOf, PlainParams, PlainValue, ResultOf } from './typed/messages/types.js';
export type {
  CallOptions,
  CommandDefinition,
  CommonDefinition,
  FunctionDefinition,
  LogEntry,
  OutputTable,
  RunningCall,
  StepDefinition,
  StepRefusal,
  StepReturn,
  StepTable,
  TableInput,
  TypedStep,
  TypedStepOptions,
} from './typed/types.js';
export type { Duration, Size } from './units.js';
export type { ZygoteJob } from './zygote/job.js';
export type { ZygoteMode, ZygoteOptions, ZygoteSpawnOptions } from './zygote/options.js';
export { createZygote, type Zygote } from './zygote/zygote.js';
