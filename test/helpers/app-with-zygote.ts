// An app with a warm Python: with `leave` it does nothing more, else it has a step that never ends.
import { createZygote } from 'spawn-sandbox';

const zygote = await createZygote({ runtime: 'python', parked: 1 });
if (process.argv[2] === 'crowd') {
  // More than its spawner has descriptors for.
  const steps = Array.from({ length: 60 }, () =>
    zygote.spawn({ code: 'print("ready", flush=True); import time; time.sleep(1000)' }, { stdin: 'pipe' }),
  );
  for (const step of steps) step.stdout.on('data', (chunk: Buffer) => process.stdout.write(chunk));
} else if (process.argv[2] !== 'leave') {
  const step = zygote.spawn({ code: 'print("ready", flush=True); import time; time.sleep(1000)' });
  for await (const line of step) console.log(line);
}
