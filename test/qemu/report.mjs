// What the guest says, a line at a time: "## booted", then for each environment "NAME| ..." with "## environment TITLE", the tests'
// TAP and "## status N SECONDS", and at last "## done". Environments speak at the same time; each is shown when it has ended.

/** Sums up the totals with which each run ends. A run that breaks off without them has failed. */
export function createReport(out, where) {
  const environments = new Map();
  let done = false;

  return {
    line(line) {
      const [, name, text] = line.match(/^([a-z]+)\| (.*)$/) ?? [];
      if (name === undefined) {
        done ||= line === '## done';
        if (!line.startsWith('## ') && line.trim() !== '') out.write(`${line}\n`);
        return;
      }
      const environment = environments.get(name) ?? newEnvironment(name);
      environments.set(name, environment);
      take(environment, text);
      if (environment.ended) show(out, environment);
    },

    finish(end) {
      const all = [...environments.values()];
      for (const one of all) {
        if (!one.ended) show(out, one);
        settle(one);
      }
      out.write('\n');
      for (const one of all) out.write(`${where}, ${summary(one)}\n`);
      if (!done) out.write(`${HOW[end]}\n`);
      const sum = (key) => all.reduce((total, one) => total + one[key], 0);
      return { passed: sum('passed'), failed: sum('failed') + (done && all.length > 0 ? 0 : 1) };
    },
  };
}

const HOW = {
  off: 'the virtual machine ended early',
  hung: 'the virtual machine did not boot',
  timeout: 'the virtual machine took too long and was switched off',
};

function newEnvironment(name) {
  return {
    title: name,
    lines: [],
    passed: 0,
    failed: 0,
    skipped: 0,
    totals: false,
    status: 1,
    seconds: '?',
    ended: false,
  };
}

function take(environment, text) {
  const [, word, value] = text.match(/^## (environment|status) (.*)$/) ?? [];
  if (word === 'environment') environment.title = value;
  else if (word === 'status') {
    const [status, seconds] = value.split(' ');
    Object.assign(environment, { status: Number(status), seconds, ended: true });
  } else {
    count(environment, text);
    keep(environment.lines, text);
  }
}

function count(environment, line) {
  const [, word, number] = line.match(/^# (pass|fail|cancelled|skipped) (\d+)$/) ?? [];
  if (word === undefined) return;
  environment.totals = true;
  const key = word === 'pass' ? 'passed' : word === 'skipped' ? 'skipped' : 'failed';
  environment[key] += Number(number);
}

/** What TAP says about tests that went well, except that they did. */
const NOISE =
  /^\s*(---|\.\.\.|type: '(test|suite)'|1\.\.\d+|# Subtest: .*|TAP version 13|# (tests|suites|todo|duration_ms|cancelled|skipped|pass|fail) .*)$/;

function keep(lines, text) {
  const [, ms] = text.match(/^ +duration_ms: ([\d.]+)$/) ?? [];
  if (ms !== undefined) lines[lines.length - 1] += ` (${Math.round(ms)} ms)`;
  else if (!NOISE.test(text)) lines.push(text);
}

function show(out, environment) {
  out.write(`\n${environment.title}\n${environment.lines.map((line) => `${line}\n`).join('')}`);
}

/** What is not a test may have failed too. */
function settle(environment) {
  if (environment.failed === 0 && (environment.status !== 0 || !environment.totals)) environment.failed = 1;
}

function summary({ title, passed, failed, skipped, seconds }) {
  return `${title}: ${passed} passed, ${failed} failed, ${skipped} skipped (${seconds} s)`;
}
