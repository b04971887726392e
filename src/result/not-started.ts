import { NO_EVIDENCE, NO_USAGE } from '../spawner/codec.js';
import { CAUSES, type EndedMessage } from '../spawner/messages.js';

/** What the spawner would say of a step that it was never sent. */
export function notStarted(cause: (typeof CAUSES)[number]): EndedMessage {
  return {
    stepId: 0,
    notStarted: true,
    exitCode: 0,
    signal: 9,
    cause: CAUSES.indexOf(cause),
    scope: 0,
    evidence: NO_EVIDENCE,
    usage: NO_USAGE,
    enforced: new Uint8Array(0),
  };
}
