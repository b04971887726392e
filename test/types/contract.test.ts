import { test } from 'node:test';
import type { Readable, Writable } from 'node:stream';
import { expectTypeOf } from 'expect-type';
import {
  closeSpawner,
  configureSpawner,
  createSandbox,
  type Layer,
  type CopyResult,
  type FileEntry,
  type Sandbox,
  type SandboxError,
  type SandboxListener,
  type SandboxOptions,
  type SandboxUsage,
  spawnSandbox,
  type Step,
  type StepError,
  type StepResult,
  type UnpackedImage,
  unpackImage,
  type UnpackOptions,
} from 'spawn-sandbox';

void test('the public types are those of the contract', () => {
  expectTypeOf(spawnSandbox).returns.toEqualTypeOf<Step>();
  expectTypeOf(spawnSandbox).parameter(0).toEqualTypeOf<string>();
  expectTypeOf(spawnSandbox).parameter(1).toEqualTypeOf<readonly string[] | undefined>();
  expectTypeOf(spawnSandbox).parameter(2).toEqualTypeOf<SandboxOptions | undefined>();
  expectTypeOf(createSandbox).parameter(0).toEqualTypeOf<SandboxOptions | undefined>();
  expectTypeOf(createSandbox).returns.toEqualTypeOf<Promise<Sandbox>>();
  expectTypeOf<Sandbox>().toExtend<AsyncDisposable>();
  expectTypeOf<Sandbox['spawn']>().toEqualTypeOf<
    (file: string, args?: readonly string[], options?: SandboxOptions) => Step
  >();
  expectTypeOf<Sandbox['files']['read']>().toBeCallableWith('a', { encoding: 'utf8' });
  expectTypeOf((files: Sandbox['files']) => files.read('a')).returns.toEqualTypeOf<Promise<Buffer>>();
  expectTypeOf((files: Sandbox['files']) => files.read('a', { encoding: 'utf8' })).returns.toEqualTypeOf<
    Promise<string>
  >();
  expectTypeOf<Sandbox['files']['readStream']>().returns.toEqualTypeOf<Readable>();
  expectTypeOf<Sandbox['files']['list']>().returns.toEqualTypeOf<Promise<readonly FileEntry[]>>();
  expectTypeOf<Sandbox['files']['copyOut']>().returns.toEqualTypeOf<Promise<CopyResult>>();
  expectTypeOf<Sandbox['pause']>().toEqualTypeOf<() => Promise<void>>();
  expectTypeOf<Sandbox['resume']>().toEqualTypeOf<() => Promise<void>>();
  expectTypeOf<Sandbox['usage']>().returns.toEqualTypeOf<Promise<SandboxUsage>>();
  expectTypeOf<SandboxUsage['commands'][number]['memoryBytes']>().toEqualTypeOf<number | undefined>();
  expectTypeOf<Parameters<SandboxListener<'end'>>[0]['result']>().toEqualTypeOf<StepResult | undefined>();
  expectTypeOf<{ keepBackground: true }>().toExtend<SandboxOptions>();
  expectTypeOf(unpackImage).parameter(2).toEqualTypeOf<UnpackOptions | undefined>();
  expectTypeOf(unpackImage).returns.toEqualTypeOf<Promise<UnpackedImage>>();
  expectTypeOf<UnpackedImage>().toHaveProperty('directory').toEqualTypeOf<string>();
  expectTypeOf(closeSpawner).returns.toEqualTypeOf<Promise<void>>();
  expectTypeOf(configureSpawner).parameter(0).toHaveProperty('queueTimeout');

  expectTypeOf<Step>().toExtend<PromiseLike<StepResult> & AsyncIterable<string> & AsyncDisposable>();
  expectTypeOf<Awaited<Step>>().toEqualTypeOf<StepResult>();
  expectTypeOf<Step['result']>().toEqualTypeOf<Promise<StepResult>>();
  expectTypeOf<Step['stdin']>().toEqualTypeOf<Writable | null>();
  expectTypeOf<Step['stdout']>().toEqualTypeOf<Readable>();
  expectTypeOf<Step['lines']>().returns.toExtend<AsyncIterable<string>>();
  expectTypeOf<Step['kill']>().parameter(0).toEqualTypeOf<NodeJS.Signals | undefined>();

  expectTypeOf<StepResult['stdout']>().toEqualTypeOf<string | Uint8Array>();
  expectTypeOf<StepResult['scope']>().toEqualTypeOf<'step' | 'sandbox' | 'host'>();
  expectTypeOf<StepResult['enforced'][Layer]['state']>().toEqualTypeOf<'enforced' | 'weaker' | 'waived' | 'absent'>();
  expectTypeOf<StepError['code']>().toEqualTypeOf<'ERR_STEP_FAILED'>();
  expectTypeOf<StepError['result']>().toEqualTypeOf<StepResult>();
  expectTypeOf<SandboxError['layer']>().toEqualTypeOf<Layer | undefined>();

  expectTypeOf<{ limits: { memory: '64MiB'; wallTime: 5 } }>().toExtend<SandboxOptions>();
  expectTypeOf<{
    filesystem: { readOnly: (string | { source: string; target: string })[] };
  }>().toExtend<SandboxOptions>();
  expectTypeOf<{ env: { A: string; B: true } }>().toExtend<SandboxOptions>();
  expectTypeOf<{ env: { A: false } }>().not.toExtend<SandboxOptions>();
  expectTypeOf<{ network: 'bridge' }>().not.toExtend<SandboxOptions>();
});
