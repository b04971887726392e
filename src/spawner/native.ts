/**
 * The native addon (`native/addon.c`): descriptors, and nothing else. It knows neither protobuf nor steps.
 *
 * All calls return at once; callbacks run on the thread that made the reactor, never from within a call.
 */

/** What a call answers instead of throwing when the system refuses: minus the errno. */
export type NegativeErrno = number;

/** Near ends: a descriptor for stdin, stream numbers for the others, -1 where there is none. */
export type Pipes = readonly [stdin: number, stdout: number, stderr: number, ...further: number[]];

export interface ReactorCallbacks {
  /** One packet from the spawner. The bytes belong to the callee. */
  message(packet: Uint8Array): void;
  /**
   * Bytes of a pipe, or `null` once at its end (end of file, a read error, or `drain()` found it empty).
   * After `null` the stream's id is forgotten.
   */
  data(stream: number, chunk: Buffer | null): void;
  /** A terminal that did not take all that it was given may take more. */
  room(stream: number): void;
  /** The channel can take packets again, after `send` answered EAGAIN or ETOOMANYREFS. */
  writable(): void;
  /** The spawner closed its end. No packet follows; pipes go on to their ends. */
  closed(): void;
}

/** Watches one channel and the pipes of its steps in this thread's event loop. */
export interface Reactor {
  /**
   * Makes a pipe for each of the three streams that is `true`, and for each `true` of `further`, sends `packet` with the far ends in
   * the order stdin, stdout, stderr, further, and closes the far ends here. A number in `further` is a descriptor that is sent in its
   * place and stays the caller's. On failure nothing that was made is left open and nothing was sent.
   *
   * With `terminal` none of the first three is made, but a socket, by which the step sends the master of its terminal: the stream of stdout
   * stands for that, both ways, also before it has come.
   *
   * @returns `[stdin descriptor or -1, stdout stream id or -1, stderr stream id or -1, ...stream id or -1 per further]`, or minus the errno
   *   (-EAGAIN and -ETOOMANYREFS: wait for `writable`; -EMFILE, -ENFILE, -ENOMEM: out of resources;
   *   -EMSGSIZE: longer than 4 MiB; -EPIPE, -ECONNRESET: the spawner is gone).
   *   The stdin descriptor is close-on-exec, non-blocking, and the caller's to close (by the addon). Streams start paused.
   */
  send(
    packet: Uint8Array,
    stdin: boolean,
    stdout: boolean,
    stderr: boolean,
    further?: readonly (true | number)[],
    terminal?: boolean,
  ): Pipes | NegativeErrno;
  /** Deliver this stream's data from now on. */
  resume(stream: number): void;
  /** Stop delivering after the current callback. */
  pause(stream: number): void;
  /** Everybody who could write is known to be gone: deliver what is in the pipe, then the end, also if somebody holds it open. */
  drain(stream: number): void;
  /** Close the read end now; no callback follows. Of a terminal: hang up. */
  drop(stream: number): void;
  /**
   * Types into a terminal what it takes at once. Answers the number of bytes, and after fewer than all of them `room` follows; or minus the
   * errno (-EAGAIN: none yet, and `room` follows; -EPIPE: nobody has it open any more).
   */
  write(stream: number, bytes: Uint8Array): number;
  /** Of a terminal; both from 1 to 65535. */
  resize(stream: number, columns: number, rows: number): void;
  /** Whether the channel and its pipes keep the event loop alive. A new reactor does not. */
  ref(): void;
  unref(): void;
  /** Closes channel and pipes; no callback follows. */
  close(): void;
}

/** What it gives as numbers and has not got back, it closes when the thread ends, which may be in the middle of anything. */
export interface Addon {
  /** A connected SOCK_SEQPACKET pair, both ends close-on-exec: `[ours, the spawner's]`. */
  channel(): [number, number];
  /** Takes ownership of `descriptor`. */
  createReactor(descriptor: number, callbacks: ReactorCallbacks): Reactor;
  /** Writes what fits at once; answers the number of bytes or minus the errno. For `input` given as a value. */
  write(descriptor: number, bytes: Uint8Array): number;
  close(descriptor: number): void;
  /** Closes it in a thread of its own: of a file system that is mounted nowhere, that may take seconds. */
  closeAside(descriptor: number): void;
  /** Somebody else closes it now, also when the thread ends: a Node stream. */
  release(descriptor: number): void;
  /**
   * The first `length` bytes, at least one, of a regular file, read if they are few, else as memory that is unmapped when it is collected;
   * minus the errno (-ENODATA: the file is shorter). Changes to it stay here. Nobody else may be able to cut the file off: see `map` there.
   */
  map(descriptor: number, length: number): ArrayBuffer | NegativeErrno;
  /** What `map` gave is given back now, and not when it is collected. It has no bytes afterwards, nor has any view of it. */
  unmap(memory: ArrayBuffer): void;
  /** A new file in memory, empty, without a name and close-on-exec; or minus the errno. It can be sealed, and, from Linux 6.3 on, never executed. */
  memory(): number;
  /**
   * Of such a file: nobody can change it any more, by any descriptor; 0, or minus the errno (-EBUSY: somebody has it mapped and can write
   * there; -EINVAL: it is another kind of file).
   */
  seal(descriptor: number): NegativeErrno;
  /** What is written to this terminal is shown as it is, until its settings are changed again; or minus the errno. */
  passOutput(descriptor: number): NegativeErrno;
  /**
   * Opens for reading, close-on-exec, without waiting and without following a symbolic link anywhere on the way; or minus the errno (-ELOOP: there
   * is one; -ENOSYS: Linux before 5.6). The path is taken as it is; what it leads to may be of any kind.
   */
  openFile(path: string | Uint8Array): number;
  /** What the packet of one byte that waits at a socket brings: `[descriptor or -1, the byte]`; or minus the errno (-EAGAIN: none waits). */
  receive(socket: number): readonly [descriptor: number, byte: number] | NegativeErrno;
  /** The first byte of an extended attribute of an open file, 0 if it is empty; or minus the errno (-ENODATA: there is none). */
  attribute(descriptor: number, name: string): number;
}
