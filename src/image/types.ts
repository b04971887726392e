import type { Size } from '../units.js';

/** How much an image may be, and which of several it is. */
export interface UnpackOptions {
  /** Most bytes that its layers may have altogether, uncompressed, as a number or as `'16GiB'`. @default '16GiB' */
  readonly limit?: Size;
  /** Most entries that its layers may have altogether. @default 1000000 */
  readonly entries?: number;
  /**
   * Which one, where the layout holds several for this machine: a name that its index gives it, as `'python:3.12'` or `'latest'`. Not to choose
   * between several is an error. @default none
   */
  readonly tag?: string;
  /** Ends it, with `ERR_IMAGE`. What was unpacked by then is removed. @default none */
  readonly signal?: AbortSignal;
}

/**
 * An image that was unpacked, and what its configuration says of how its programs are run. Nothing of that is applied by itself: it is the
 * image's word, and the app decides.
 */
export interface UnpackedImage {
  /** Absolute: what to give as `filesystem.root`. */
  readonly directory: string;
  /** `sha256:…` of its manifest: the same for the same content. In the older form of `docker save`, that of its configuration. */
  readonly digest: string;
  /** Whether it was there already. */
  readonly existed: boolean;
  /** Its variables, `PATH` among them. */
  readonly env: Readonly<Record<string, string>>;
  /** Its working directory; absent when it names none. */
  readonly cwd?: string;
  /** Its user as it is written there, as `'app'` or `'1000:1000'`; absent when it names none. */
  readonly user?: string;
  /** What it begins the command line of its programs with; may be empty. */
  readonly entrypoint: readonly string[];
  /** How it goes on unless it is given something else; may be empty. */
  readonly cmd: readonly string[];
}
