import { chapter, say, table, told } from './print.mjs';

const WHAT = {
  user: 'a user namespace that owns nothing',
  pid: 'sees and signals only processes of its own',
  mount: 'sees only the files that it was given',
  net: 'a network with nothing in it',
  ipc: 'shares no memory or queues with others',
  uts: 'a host name of its own',
  cgroup: 'does not see how it is limited',
  capabilities: 'no privilege of root, and none to get',
  securebits: 'being root would not give any back',
  noNewPrivs: 'set-uid programs give it nothing',
  uid: 'an identity that no other sandbox has',
  groups: "none of the app's groups",
  seccomp: 'only system calls that programs need',
  landlock: 'no signals out of it',
  memory: 'limited',
  processes: 'limited',
  cpu: 'limited',
};

/** What confined the first step, as the spawner saw it before the step ran. */
export function layers({ enforced }) {
  chapter('What confined the first step, as observed before it ran');
  table(
    ['layer', 'state', 'by', 'meaning'],
    Object.entries(enforced).map(([layer, { state, by = '' }]) => [
      layer,
      state,
      by,
      state === 'weaker' ? 'see below' : (WHAT[layer] ?? ''),
    ]),
  );
  const states = Object.entries(enforced);
  const loose = states.filter(([layer, { state }]) => layer !== 'landlock' && !['enforced', 'weaker'].includes(state));
  told('every layer holds', loose.length === 0, loose.map(([layer, { state }]) => `${layer} is ${state}`).join(', '));
  const weaker = states.filter(([, { state }]) => state === 'weaker');
  if (weaker.length === 0) return;
  say('Weaker forms, because the app does not run as root:');
  for (const [layer, { reason = '' }] of weaker) say(`  ${layer}: ${reason}`);
}
