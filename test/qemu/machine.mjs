// Boots the virtual machine and reads what it writes to its serial console, until it switches itself off or time is up.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Takes a few seconds. A busy machine may let the guest's clocks be set up wrongly, and then it never boots: it is tried again. */
const LONGEST_BOOT = 60_000;
const TRIES = 3;

/** Resolves to how it ended: 'off', 'hung' in its boot, or 'timeout'. */
export async function boot(options) {
  const deadline = Date.now() + options.limit;
  let end = 'hung';
  for (let tries = 0; tries < TRIES && end === 'hung'; tries++) end = await bootOnce(options, deadline);
  return end;
}

function bootOnce({ target, kernel, image, wanted, only, onLine }, deadline) {
  const machine = spawn(target.emulator, argumentsFor(target, kernel, image, wanted, only), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let end = 'off';
  const switchOff = (why, ms) =>
    setTimeout(() => {
      end = why;
      machine.kill('SIGKILL');
    }, ms);
  const timers = [switchOff('timeout', deadline - Date.now()), switchOff('hung', LONGEST_BOOT)];
  createInterface({ input: machine.stdout }).on('line', (text) => {
    const line = text.replace(/\r/g, '');
    if (line === '## booted') clearTimeout(timers[1]);
    onLine(line);
  });
  return new Promise((resolve) => {
    machine.on('close', () => {
      timers.forEach(clearTimeout);
      resolve(end);
    });
  });
}

/** Without hardware virtualisation: it is rarely to be had where tests run, and not all of it works. */
function argumentsFor(target, kernel, { initramfs, disk }, wanted, only) {
  const line = `console=${target.console} loglevel=1 panic=-1 mitigations=off spawn_sandbox_wanted=${wanted.join(',')} spawn_sandbox_only=${only}`;
  return [
    ...['-accel', 'tcg,thread=multi', ...target.machine, '-m', '3072', '-smp', target.processors ?? '2'],
    ...['-display', 'none', '-nodefaults', '-no-reboot', '-serial', 'stdio', '-monitor', 'none', '-net', 'none'],
    ...['-kernel', kernel.image, '-initrd', initramfs, '-append', line],
    ...['-drive', `file=${disk},if=virtio,format=raw,snapshot=on`],
  ];
}
