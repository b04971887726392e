import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type SandboxOptions, spawnSandbox } from 'spawn-sandbox';
import { ANY_FORM } from '../helpers/weaker.js';

const ROUNDS = 16;

async function python(code: string, options: SandboxOptions = {}): Promise<string> {
  const { ok, stdout, stderr, detail } = await spawnSandbox('python3', ['-c', code], { ...ANY_FORM, ...options });
  assert.ok(ok, `${detail}\n${String(stderr)}`);
  return String(stdout).trim();
}

/** What a step can find of others in its net namespace; the same twice, around what it does there itself. */
const LOOK = `
import socket
def look():
    found = []
    for name in ('dev', 'snmp', 'snmp6', 'netstat', 'tcp', 'tcp6', 'udp', 'unix', 'ip6_flowlabel', 'rt6_stats', 'ipv6_route', 'netlink'):
        try:
            text = open('/proc/net/' + name).read()
        except FileNotFoundError:
            continue
        # The kernel's own netlink sockets are shown by number.
        found.append(str(len(text.splitlines())) if name == 'netlink' else text)
    return ''.join(found)
before = look()
def ignore(call):
    try:
        call()
    except OSError:
        pass
`;

/** Each leaves something in the namespace: a closing connection, a counted packet or refusal, a flow label, a route. */
const TOUCHES: Readonly<Record<string, string>> = {
  'a connection': `
server = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
peer.close(); client.close()
`,
  'a datagram to nobody': `socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))`,
  'a datagram to where no route leads': `ignore(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9)))`,
  'the same by IPv6': `ignore(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'x', ('2001:db8::1', 9)))`,
  'a route that is remembered': `socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).connect(('::1', 9))`,
  'a flow label that lingers': `
import struct
request = socket.inet_pton(socket.AF_INET6, '::1') + struct.pack('!I', 0x12345) + struct.pack('=BBHHHI', 0, 1, 1, 5, 5, 0)
label = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
label.setsockopt(41, 32, request)
`,
};

/** Bytes that the namespace's device has sent. */
const COUNT = `
import socket, struct
def count():
    return open('/proc/net/dev').read().split('lo:')[1].split()[8]
`;

/** The membership ends with the socket; the kernel tells of it some ticks later. */
const JOINS: Readonly<Record<string, string>> = {
  IPv4: `
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as member:
    member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton('239.1.2.3') + socket.inet_aton('127.0.0.1'))
`,
  IPv6: `
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as member:
    member.setsockopt(41, 20, socket.inet_pton(socket.AF_INET6, 'ff05::1234') + struct.pack('I', 1))
`,
};

void suite('what a sandbox leaves to another', () => {
  void test('a net namespace serves again only when nothing happened in it', async () => {
    const code = 'import os; print(os.readlink("/proc/self/ns/net"))';
    const seen = new Set<string>();
    for (let round = 0; round < 60; round++) seen.add(await python(code));
    assert.ok(seen.size < 60, 'some come back, or the tests below would show nothing');
  });

  for (const [what, touch] of Object.entries(TOUCHES)) {
    void test(`${what} is never found by a later step`, async () => {
      const code = `${LOOK}${touch}\nimport hashlib\nprint(hashlib.sha256(before.encode()).hexdigest(), before != look())`;
      const found = new Set<string>();
      for (let round = 0; round < ROUNDS; round++) found.add(await python(code));
      // True is the control: the step itself does see what it left.
      assert.equal(found.size, 1, [...found].join('\n'));
      assert.match([...found].join(), / True$/);
    });
  }

  for (const [family, join] of Object.entries(JOINS)) {
    void test(`what the kernel sends later, for a group of ${family} that a step was in, no other step sees`, async () => {
      const wait = 'import time; time.sleep(0.1); print(count())';
      const found = new Set<string>();
      for (let round = 0; round < ROUNDS; round++) {
        await python(`${COUNT}${join}import os; os._exit(0)`);
        found.add(await python(`${COUNT}${wait}`));
      }
      assert.deepEqual([...found], ['0']);
      // The control: who waits there sees the packets.
      assert.notEqual(await python(`${COUNT}${join}${wait}`), '0');
    });
  }

  void test('sockets that live on in a cycle of their own queues do not pass their namespace on', async () => {
    const code = `
import socket, array
a, b = socket.socketpair()
a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [a.fileno(), b.fileno()]))])
print(open('/proc/net/sockstat').read().splitlines()[0])
`;
    const found = new Set<string>();
    for (let round = 0; round < ROUNDS; round++) found.add(await python(code));
    assert.deepEqual([...found], ['sockets: used 2']);
  });

  void test('a key in the user keyring is not found by the next step, where keyrings are permitted', async () => {
    const keys: SandboxOptions = {
      syscalls: {
        extends: 'default',
        rules: [{ name: ['add_key', 'keyctl'], verdict: 'allow', reason: 'to see what stays in a keyring' }],
      },
    };
    // add_key, then KEYCTL_SEARCH in KEY_SPEC_USER_KEYRING
    const code = `
import ctypes, platform
add, control = (217, 219) if platform.machine() == 'aarch64' else (248, 250)
call = ctypes.CDLL(None, use_errno=True).syscall
call.restype = ctypes.c_long
def search(): return call(control, 10, ctypes.c_int(-4), b'user', b'left', 0) > 0
before = search()
made = call(add, b'user', b'left', b'secret', 6, ctypes.c_int(-4)) > 0
print(before, made, search())
`;
    for (let round = 0; round < ROUNDS; round++) assert.equal(await python(code, keys), 'False True True');
  });
});
