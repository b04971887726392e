import type { SandboxOptions } from '../options/sandbox-options.js';
import type { Step } from '../step/step.js';
import type { SandboxEvents, SandboxListener } from './events.js';
import type { SandboxFiles } from './files/types.js';
import type { Change } from './overlays/change.js';
import type { CommitOptions } from './overlays/selection.js';
import type { SandboxEnd } from './session.js';
import type { SandboxUsage } from './usage.js';

/** A sandbox that lives: commands run in it one after another or at once, and find what others have left. */
export interface Sandbox extends AsyncDisposable {
  /**
   * Runs a command in the sandbox. Returns at once. Whatever it has started and not ended is ended with it, unless
   * `keepBackground` is set. In a paused sandbox it waits until that is resumed.
   *
   * @param file as for `spawnSandbox()`; a program of the app's that is not in the sandbox is looked up there by its name
   * @param options replace those of the sandbox; `limits` and `env` are replaced one by one. What the sandbox itself is made of
   *   (`filesystem`, `user`, `network`, `syscalls`, `coreScheduling`, `allowMissing`, `allowWeaker`, `limits.scratch`) cannot be given here
   * @throws SandboxError `ERR_INVALID_OPTION` or `ERR_SANDBOX_CLOSED`
   */
  spawn(file: string, args?: readonly string[], options?: SandboxOptions): Step;
  /** Its files, as its commands see them. */
  readonly files: SandboxFiles;
  /**
   * Has all commands, and what they have started, stand still. Resolves when they do. Deadlines go on, but for `idleTime` of
   * commands; `kill()`, `destroy()` and limits end what stands still, too. A signal other than SIGKILL is
   * received when it is resumed.
   *
   * @throws SandboxError `ERR_SANDBOX_PAUSE`: it was not possible, and everything goes on; `ERR_SANDBOX_CLOSED`
   */
  pause(): Promise<void>;
  /** Has all go on. @throws SandboxError `ERR_SANDBOX_PAUSE` or `ERR_SANDBOX_CLOSED` */
  resume(): Promise<void>;
  /**
   * `'frozen'`: by the kernel's freezer, which nobody inside notices. `'stopped'`: there is none for this app; by SIGSTOP, which parents
   * of what is stopped are told of.
   */
  readonly paused: false | 'frozen' | 'stopped';
  /** What it uses now. @throws SandboxError `ERR_SANDBOX_CLOSED` */
  usage(): Promise<SandboxUsage>;
  /**
   * `'start'` and `'end'` of each command, once each, and `'over'` at last. What a listener throws becomes a warning of the process.
   * One that is added after a command was spawned may hear of its start only with its end.
   */
  on<Name extends keyof SandboxEvents>(event: Name, listener: SandboxListener<Name>): this;
  /** No longer calls a listener that was added by `on()`. */
  off<Name extends keyof SandboxEvents>(event: Name, listener: SandboxListener<Name>): this;
  /** Resolves when nothing is left of it, whatever ended it. Who has asked for it keeps the app alive until then. */
  readonly ended: Promise<SandboxEnd>;
  /**
   * What commands did to the directories of `filesystem.overlay`, parents before what is in them. Also after the sandbox has ended by itself, until
   * `destroy()`. While commands run it is how things are at that moment.
   *
   * @throws SandboxError `ERR_CHANGES`, or `ERR_SANDBOX_CLOSED` after `destroy()`
   */
  changes(): Promise<readonly Change[]>;
  /**
   * The same as text, in the unified format. A file that is longer than 1 MiB or is no text is only said to differ.
   *
   * @param path a path of `changes()`, or a directory that they lie in; relative to the overlay if there is but one. @default all
   * @throws SandboxError `ERR_CHANGES` also where nothing was changed
   */
  diff(path?: string | Uint8Array): Promise<string>;
  /**
   * Writes changes to the original directory. Each file is replaced as a whole, and belongs to the original's owner, or to that of the directory that it
   * comes into; set-id bits and extended attributes are not kept. All are checked before the first is written. What was
   * written after `changes()` or `diff()` was asked last is refused: it is not what was looked at. A process that is killed meanwhile can leave
   * a file `.spawn-sandbox-…` behind.
   *
   * @param paths as for `diff()`. New directories that they lie in are kept with them. @default all
   * @returns what was kept
   * @throws SandboxError `ERR_CHANGE_CONFLICT` when an original was changed after the sandbox was made; `ERR_CHANGES` for fifos, sockets, devices, links that
   *   lead out, what `filesystem.protect` names, more than `limits.scratch` has room for, and another directory at the original's path
   */
  commit(paths?: readonly (string | Uint8Array)[], options?: CommitOptions): Promise<readonly Change[]>;
  /**
   * Throws away what was written: the sandbox is made anew, with an empty `/tmp` and home directory. No command may run. Its deadline stays.
   *
   * @throws SandboxError `ERR_CHANGES` while commands run, or why it cannot be made
   */
  discard(): Promise<void>;
  /** Ends all commands, with cause `'destroyed'`, and the sandbox. Resolves when nothing is left of it. */
  destroy(): Promise<void>;
}
