import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { accepts, listeners } from '#src/audit/network.js';
import type { AuditReport } from '#src/audit/report.js';
import { readableSecrets, writableSockets } from '#src/audit/secrets.js';
import { writableByAll } from '#src/audit/writable.js';
import { packageRoot } from '#src/package-root.js';
import { isRoot } from '../helpers/privileges.js';

const CLI = join(packageRoot, 'dist/cli/main.js');
/** A net namespace of its own, where metadata is where we put it. */
const APART = isRoot ? ['unshare', '--net'] : ['unshare', '--user', '--map-root-user', '--net'];

/** The address, on a loopback interface that is brought up, and a server at it. */
const METADATA = `
import fcntl, socket, struct, time
control = socket.socket()
name = lambda text: struct.pack('16s', text)
fcntl.ioctl(control, 0x8916, name(b'lo') + struct.pack('HH4s8x', 2, 0, socket.inet_aton('169.254.169.254')))
fcntl.ioctl(control, 0x8914, name(b'lo') + struct.pack('H22x', 1))
server = socket.create_server(('169.254.169.254', 80))
print('up', flush=True)
time.sleep(60)
`;

/** That everybody can get to, as the usual one of a user cannot be. */
function reachableDirectory(context: TestContext): string {
  const directory = mkdtempSync('/tmp/spawn-sandbox-audit-');
  context.after(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  chmodSync(directory, 0o755);
  return directory;
}

void suite('the audit of a host', () => {
  void test('finds secrets that everybody may read, and not those that are closed, in passing or public', (context) => {
    const directory = reachableDirectory(context);
    mkdirSync(join(directory, 'config/closed'), { recursive: true });
    mkdirSync(join(directory, 'node_modules/x'), { recursive: true });
    const write = (path: string, mode: number): string => {
      writeFileSync(join(directory, path), 'x');
      chmodSync(join(directory, path), mode);
      return join(directory, path);
    };
    const open = [write('.env', 0o644), write('config/id_ed25519', 0o604), write('config/server.key', 0o666)];
    write('.env.local', 0o600);
    write('.env.example', 0o644);
    write('config/id_ed25519.pub', 0o644);
    write('node_modules/x/test.key', 0o644);
    write('config/closed/tls.pem', 0o644);
    chmodSync(join(directory, 'config/closed'), 0o750);
    const found = readableSecrets(directory, join(directory, 'nobody')).filter((path) => path.startsWith(directory));
    assert.deepEqual(found.toSorted(), open.toSorted());
    mkdirSync(join(directory, 'home/.aws'), { recursive: true });
    const credentials = write('home/.aws/credentials', 0o644);
    assert.ok(readableSecrets('/nowhere', join(directory, 'home')).includes(credentials));
    chmodSync(join(directory, 'home/.aws'), 0o700);
    assert.ok(!readableSecrets('/nowhere', join(directory, 'home')).includes(credentials));
  });

  void test('finds what everybody may replace, by its own mode or that of a directory above', (context) => {
    const directory = reachableDirectory(context);
    mkdirSync(join(directory, 'open/bin'), { recursive: true });
    mkdirSync(join(directory, 'shared'));
    const program = join(directory, 'open/bin/program');
    writeFileSync(program, '');
    assert.deepEqual(writableByAll([program]), []);
    chmodSync(join(directory, 'open'), 0o777);
    assert.deepEqual(writableByAll([program]), [join(directory, 'open')]);
    chmodSync(join(directory, 'open'), 0o1777); // like /tmp
    assert.deepEqual(writableByAll([program]), []);
    chmodSync(program, 0o666);
    assert.deepEqual(writableByAll([program]), [program]);
  });

  void test('finds sockets of services that everybody may write', async (context) => {
    const directory = reachableDirectory(context);
    const path = join(directory, 'engine.sock');
    const server = createServer().listen(path);
    context.after(() => server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    chmodSync(path, 0o660);
    assert.deepEqual(writableSockets([path]), []);
    chmodSync(path, 0o666);
    assert.deepEqual(writableSockets([path, '/nowhere']), [path]);
  });

  void test('sees what listens, and what accepts connections', async (context) => {
    const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    context.after(() => server.close());
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    assert.ok(listeners().includes(`127.0.0.1:${address.port}`));
    assert.equal(await accepts('127.0.0.1', address.port), true);
    server.close();
    assert.equal(await accepts('127.0.0.1', address.port), false);
    assert.ok(!listeners().includes(`127.0.0.1:${address.port}`));
  });

  void test('doctor --audit tells it as data, with a status for scripts, and sees metadata where it is', (context) => {
    const directory = reachableDirectory(context);
    const alone = audit(directory, '');
    assert.ok(!alone.report.findings.some(({ code }) => code === 'metadata-reachable'));
    assert.ok(alone.report.looked.length >= 5);
    writeFileSync(join(directory, 'metadata.py'), METADATA);
    const serving = 'python3 metadata.py > up 2>&1 & server=$!; while ! test -s up; do sleep 0.05; done;';
    const { report, status } = audit(directory, serving);
    const found = report.findings.find(({ code }) => code === 'metadata-reachable');
    assert.deepEqual(found?.evidence, ['169.254.169.254 accepts connections']);
    assert.equal(status, 1);
  });

  void test('a level is one of four', () => {
    const { status, stderr } = spawnSync(process.execPath, [CLI, 'doctor', '--audit', '--audit-level', 'all'], {
      encoding: 'utf8',
    });
    assert.equal(status, 1);
    assert.match(stderr, /--audit-level is one of high, medium, low, note/);
  });
});

function audit(cwd: string, before: string): { readonly report: AuditReport; readonly status: number } {
  const script = `${before} "$@"; status=$?; test -z "$server" || kill $server; echo; echo $status`;
  const command = [...APART, 'sh', '-c', script, 'sh', process.execPath, CLI, 'doctor', '--audit', '--json'];
  const out = execFileSync('env', command, { cwd, encoding: 'utf8', timeout: 60_000 }).trim();
  const end = out.lastIndexOf('\n');
  return { report: JSON.parse(out.slice(0, end)) as AuditReport, status: Number(out.slice(end)) };
}
