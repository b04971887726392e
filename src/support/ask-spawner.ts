import { SandboxError } from '../errors.js';
import { LAYERS } from '../layers.js';
import { decodeReply, encodeConfigure, encodeProbe } from '../spawner/codec.js';
import { configureMessage } from '../spawner/configure.js';
import { launchSpawner, spawnerDied } from '../spawner/launch.js';
import { loadAddon } from '../spawner/locate.js';
import { type FailedMessage, type ReadyMessage, type Reply, STAGES } from '../spawner/messages.js';
import { spawnerOptions } from '../spawner/shared.js';
import { errnoName } from './errno-name.js';
import type { ConfigureFailure } from './evidence.js';
import { type Probes, toProbes } from './probes.js';

/** What a spawner of our own answered. */
export interface SpawnerAnswers {
  readonly broken?: { readonly code: string; readonly message: string; readonly remedy?: string };
  readonly ready?: ReadyMessage;
  readonly failure?: ConfigureFailure;
  readonly outside: Probes;
  readonly inside: Probes;
}

/** Each of the two rounds tries some forty things, none for longer than ten seconds. */
const PATIENCE_MS = 60_000;
const OUTSIDE = 1;
const INSIDE = 2;

/**
 * Starts a spawner, configured as the app's own would be, and lets it try everything: once with the app's own rights, once
 * where it works. One that cannot be configured has answered the first round by then.
 */
export async function askSpawner(): Promise<SpawnerAnswers> {
  try {
    return toAnswers(await converse());
  } catch (error) {
    if (!(error instanceof SandboxError)) throw error;
    const { code, message, remedy } = error;
    const broken = remedy === undefined ? { code, message } : { code, message, remedy };
    return { broken, outside: {}, inside: {} };
  }
}

/** All replies until the second round, the failure, or the end of the spawner, which is then an error. */
async function converse(): Promise<readonly Reply[]> {
  const addon = loadAddon();
  const [near, far] = addon.channel();
  const replies: Reply[] = [];
  let end: (error?: SandboxError) => void = () => undefined;
  const over = new Promise<void>((resolve, reject) => {
    end = (error) => {
      if (error === undefined) resolve();
      else reject(error);
    };
  });
  const reactor = addon.createReactor(near, {
    message: (packet) => {
      try {
        const reply = decodeReply(packet);
        replies.push(reply);
        if (reply.kind === 'failed' || (reply.kind === 'probed' && reply.probed.probeId === INSIDE)) end();
      } catch (error) {
        end(error as SandboxError);
      }
    },
    data: () => undefined,
    room: () => undefined,
    writable: () => undefined,
    closed: () => {
      end();
    },
  });
  const timer = setTimeout(() => {
    end();
  }, PATIENCE_MS);
  reactor.ref();
  try {
    for (const packet of [
      encodeProbe(OUTSIDE),
      // One that stays without namespaces would not say why there are none.
      encodeConfigure({ ...configureMessage(spawnerOptions()), portable: false }),
      encodeProbe(INSIDE),
    ])
      reactor.send(packet, false, false, false);
    const child = await launchSpawner(far).finally(() => {
      addon.close(far);
    });
    await over;
    reactor.close();
    child.ref();
    const how = await child.ended;
    if (replies.length === 0) throw spawnerDied(how, child.lastWords());
    return replies;
  } finally {
    clearTimeout(timer);
    reactor.close();
  }
}

function toAnswers(replies: readonly Reply[]): SpawnerAnswers {
  let answers: SpawnerAnswers = { outside: {}, inside: {} };
  for (const reply of replies) {
    if (reply.kind === 'ready') answers = { ...answers, ready: reply.ready };
    if (reply.kind === 'failed') answers = { ...answers, failure: toFailure(reply.failed) };
    if (reply.kind !== 'probed') continue;
    const probes = toProbes(reply.probed.results);
    answers = reply.probed.probeId === OUTSIDE ? { ...answers, outside: probes } : { ...answers, inside: probes };
  }
  return answers;
}

function toFailure({ stage, errno, path, layer }: FailedMessage): ConfigureFailure {
  const name = STAGES[stage] ?? 'protocol';
  const concerned = name === 'layer' ? LAYERS[layer] : undefined;
  return {
    stage: name,
    errno: errno === 0 ? '' : errnoName(errno),
    path: Buffer.from(path).toString(),
    ...(concerned === undefined ? {} : { layer: concerned }),
  };
}
