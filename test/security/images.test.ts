// Images that were made to harm who unpacks them. Each stands beside a control: the same without what is wrong, or the harm where nothing prevents it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { unpackImage, type UnpackOptions } from 'spawn-sandbox';
import { busyboxLayer, Layout, layoutOf, MEDIA } from '../helpers/image-layout.js';
import { type HandMade, record, tarByHand } from '../helpers/tar-by-hand.js';
import { stdoutOf } from '../helpers/run.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { testWith } from '../helpers/tools.js';

/** A directory of the host's with a secret; the place for an image lies in it. */
interface Host {
  readonly path: string;
  readonly directory: string;
}

function hostOf(context: TestContext): Host {
  const path = temporaryDirectory(context, { secret: 'SECRET', 'outside/file': 'original' });
  return { path, directory: join(path, 'root') };
}

/** As it was, but for these. */
function assertUntouched({ path }: Host, ...more: readonly string[]): void {
  assert.deepEqual(readdirSync(path).toSorted(), ['outside', 'secret', ...more].toSorted());
  assert.deepEqual(readdirSync(join(path, 'outside')), ['file']);
  assert.equal(readFileSync(join(path, 'outside/file'), 'utf8'), 'original');
  assert.equal(readFileSync(join(path, 'secret'), 'utf8'), 'SECRET');
  assert.equal(lstatSync(join(path, 'outside/file')).nlink, 1);
}

type Layers = readonly (readonly HandMade[] | Buffer)[];

async function unpack(context: TestContext, host: Host, layers: Layers, options?: UnpackOptions): Promise<string> {
  const archives = layers.map((layer) => (Buffer.isBuffer(layer) ? layer : tarByHand(layer)));
  return (await unpackImage(layoutOf(context, { layers: archives }), host.directory, options)).directory;
}

/** Nothing is left of it, neither where it was to be nor beside it. */
async function assertRefused(
  context: TestContext,
  layers: Layers,
  message: RegExp,
  options?: UnpackOptions,
): Promise<void> {
  const host = hostOf(context);
  await assert.rejects(unpack(context, host, layers, options), { code: 'ERR_IMAGE', message });
  assertUntouched(host);
}

void suite('the layers of a hostile image', () => {
  void test('lead nowhere by their names', async (context) => {
    for (const name of [
      '../outside/file',
      'a/../../outside/file',
      '..',
      'a/..',
      '/../outside/file',
      './../outside/file',
    ]) {
      await assertRefused(context, [[{ name, content: 'bad' }]], /leads out/);
      await assertRefused(context, [[{ name: 'x', pax: { path: name } }]], /leads out/);
    }
    const host = hostOf(context);
    const name = join(host.path, 'outside/file');
    const directory = await unpack(context, host, [
      [{ name, content: 'bad' }, { name: '...', content: 'a name' }, { name: 'a..b' }],
    ]);
    assert.equal(readFileSync(join(directory, name), 'utf8'), 'bad', 'the control: within the image');
    assert.equal(existsSync(join(directory, '...')), true);
    assertUntouched(host, 'root', 'root.json');
  });

  void test('lead nowhere by their links', async (context) => {
    const host = hostOf(context);
    const outside = join(host.path, 'outside');
    const directory = await unpack(context, host, [
      [
        { name: 'absolute', type: '2', link: outside },
        { name: 'absolute/file', content: 'bad' },
        { name: 'up', type: '2', link: '../../../../../../../../../../..' },
        { name: `up${outside}/second`, content: 'bad' },
        { name: 'magic', type: '2', link: '/proc/self/root' },
        { name: 'last', type: '2', link: join(outside, 'file') },
        { name: 'last', content: 'in place of the link' },
        { name: 'tree', type: '2', link: outside },
      ],
      [
        { name: 'absolute/file', content: 'bad again' },
        { name: 'tree/.wh.file' },
        { name: 'tree/.wh..wh..opq' },
        { name: `up${host.path}/.wh.secret` },
        { name: `magic${host.path}/new`, content: 'bad' },
      ],
    ]);
    assertUntouched(host, 'root', 'root.json');
    assert.equal(readlinkSync(join(directory, 'absolute')), outside, 'a link is kept as it is');
    assert.deepEqual(
      readdirSync(join(directory, outside)),
      ['file'],
      'it led to a directory of the image, where whiteouts removed what lay below',
    );
    assert.equal(readFileSync(join(directory, 'last'), 'utf8'), 'in place of the link');
    const control = temporaryDirectory(context);
    symlinkSync(outside, join(control, 'absolute'));
    writeFileSync(join(control, 'absolute/file'), 'bad');
    assert.equal(readFileSync(join(outside, 'file'), 'utf8'), 'bad', 'the control: where links are followed');
  });

  void test('have hard links to files of the image only', async (context) => {
    const host = hostOf(context);
    const secret = join(host.path, 'secret');
    for (const link of [secret, '../secret', 'a/../../secret', 'none', '', '.', 'dir', 'link/secret', '.wh.x']) {
      const entries = [
        { name: 'dir/', type: '5' },
        { name: 'link', type: '2', link: host.path },
        { name: 'taken', type: '1', link },
      ];
      await assertRefused(context, [entries], /no file of the image|leads out/);
    }
    const directory = await unpack(context, host, [
      [
        { name: 'link', type: '2', link: secret },
        { name: 'same', type: '1', link: 'link' },
        { name: 'file', content: 'x' },
        { name: 'dir/again', type: '1', link: '/file' },
        { name: 'file', type: '1', link: 'file' },
      ],
    ]);
    assert.equal(readlinkSync(join(directory, 'same')), secret, 'the control: of the link itself');
    assert.equal(lstatSync(join(directory, 'dir/again')).nlink, 2);
    assertUntouched(host, 'root', 'root.json');
  });

  void test('have links that lead in circles, and stay within bounds', async (context) => {
    await assertRefused(
      context,
      [[{ name: 'a', type: '2', link: 'b' }, { name: 'b', type: '2', link: 'a' }, { name: 'a/x' }]],
      /links/,
    );
    await assertRefused(context, [[{ name: 'self', type: '2', link: 'self/self' }, { name: 'self/x' }]], /links/);
    const long = [
      { name: 'd/', type: '5' },
      { name: 'far', type: '2', pax: { linkpath: 'd/../'.repeat(800) } },
    ];
    await assertRefused(context, [[...long, { name: 'far/x' }]], /names/);
    assert.ok(await unpack(context, hostOf(context), [long]), 'the control: nobody follows it');
  });

  void test('make no devices, no fifos and no set-id programs, and nothing that others may write', async (context) => {
    const host = hostOf(context);
    const entries = [
      { name: 'null', type: '3', mode: 0o666 },
      { name: 'disk', type: '4' },
      { name: 'fifo', type: '6' },
      { name: 'program', mode: 0o6777 },
      { name: 'dir/', type: '5', mode: 0o7777 },
      { name: 'closed/', type: '5', mode: 0 },
      { name: 'closed/in' },
    ];
    const directory = await unpack(context, host, [entries]);
    assert.deepEqual(readdirSync(directory), ['closed', 'dir', 'program']);
    const modes = ['program', 'dir', 'closed'].map((name) => lstatSync(join(directory, name)).mode & 0o7777);
    assert.deepEqual(modes, [0o755, 0o755, 0o700]);
    const listed = execFileSync('tar', ['-tvf', '-'], { input: tarByHand(entries), encoding: 'utf8' });
    assert.match(listed, /^crw-.*null$/m, 'the control');
    assert.match(listed, /^-rwsrwsrwx.*program$/m, 'the control');
  });

  void test('cannot be more than the limits', async (context) => {
    const bomb = tarByHand([{ name: 'zeros', content: Buffer.alloc(8 << 20) }]);
    assert.ok(gzipSync(bomb).length < 10_000);
    await assertRefused(context, [bomb], /more than 1 MiB/, { limit: '1MiB' });
    await assertRefused(context, [bomb, bomb], /more than 12 MiB/, { limit: '12MiB' });
    await assertRefused(context, [[{ name: 'said', size: 0o77777777777 }]], /cannot be read/);
    await assertRefused(context, [[{ name: 'said', pax: { size: '9007199254740993000000' } }]], /cannot be read/);
    await assertRefused(context, [[{ name: 'said', pax: { size: '-5' } }]], /cannot be read/);
    const many = Array.from({ length: 200 }, (_, index) => ({ name: String(index) }));
    await assertRefused(context, [many], /more than 199 entries/, { entries: 199 });
    const implied = [{ name: `${'d/'.repeat(49)}f` }];
    await assertRefused(context, [implied], /more than 49 entries/, { entries: 49 });
    for (const layers of [[bomb], [many], [implied]] as Layers[])
      assert.ok(await unpack(context, hostOf(context), layers, { limit: '12MiB', entries: 200 }), 'the control');
  });

  void test('cannot be deeper than the app can remove, and have no names that are none', async (context) => {
    await assertRefused(context, [[{ name: 'x', pax: { path: `${'d/'.repeat(101)}f` } }]], /more than 100/);
    const half = 'd/'.repeat(60);
    const twice = [
      { name: 'x', pax: { path: `${half}a` } },
      { name: 'link', type: '2', pax: { linkpath: half } },
    ];
    await assertRefused(context, [[...twice, { name: 'x', pax: { path: `link/${half}f` } }]], /more than 100/);
    await assertRefused(context, [[{ name: 'x', pax: { path: 'n'.repeat(256) } }]], /more than 255 bytes/);
    await assertRefused(context, [[{ name: 'x', pax: { path: 'a\0b' } }]], /NUL/);
    await assertRefused(context, [[{ name: 'x', type: '2', pax: { linkpath: 'a\0b' } }]], /no path/);
    await assertRefused(context, [[{ name: 'x', type: '2', link: '' }]], /no path/);
    await assertRefused(context, [[{ name: '.', type: '2', link: '/etc' }]], /root is no directory/);
    await assertRefused(context, [[{ name: 'S', type: 'S' }]], /sparse/);
    await assertRefused(context, [[{ name: 'x', pax: { 'GNU.sparse.major': '1' } }]], /sparse/);
    const directory = await unpack(context, hostOf(context), [
      [...twice, { name: 'n'.repeat(99) }, { name: 'a\nb\u001b[31m' }],
    ]);
    assert.deepEqual(readdirSync(directory), ['a\nb\u001b[31m', 'd', 'link', 'n'.repeat(99)], 'the control');
  });

  void test('remove nothing but what lower layers have made', async (context) => {
    for (const name of ['.wh.', '.wh..', '.wh...', 'dir/.wh...'])
      await assertRefused(context, [[{ name: 'dir/', type: '5' }, { name }]], /no name/);
    await assertRefused(context, [[{ name: '.wh.dir/inner' }]], /no directory/);
    await assertRefused(context, [[{ name: '.wh.../outside/file' }]], /no directory|leads out/);
    const host = hostOf(context);
    const directory = await unpack(context, host, [
      [{ name: 'dir/old' }, { name: 'both/old' }, { name: 'kept' }],
      [
        { name: 'dir/new' },
        { name: 'dir/.wh..wh..opq' },
        { name: 'dir/.wh..wh..opq' },
        { name: 'both/', type: '5' },
        { name: 'both/new' },
        { name: '.wh.both' },
        { name: 'none/.wh.x' },
        { name: '.wh..wh.aufs' },
        { name: 'only' },
        { name: '.wh.only' },
      ],
    ]);
    assert.deepEqual(readdirSync(directory), ['both', 'dir', 'kept', 'only']);
    assert.deepEqual([...readdirSync(join(directory, 'dir')), ...readdirSync(join(directory, 'both'))], ['new', 'new']);
    assertUntouched(host, 'root', 'root.json');
  });

  void test('may say the same name twice, each time of another type', async (context) => {
    const host = hostOf(context);
    const types = [
      { type: '0', content: 'x' },
      { type: '5' },
      { type: '2', link: host.path },
      { type: '6' },
      { type: '1', link: 'other' },
    ];
    const twice = types.flatMap((first) => types.map((second) => [first, second]));
    const entries = twice.flatMap((pair, index) => pair.map((one) => ({ name: `n${index}`, ...one })));
    const directory = await unpack(context, host, [[{ name: 'other', content: 'other' }, ...entries]]);
    for (const [index, [, second]] of twice.entries()) {
      const path = join(directory, `n${index}`);
      const status = existsSync(path) || second?.type === '2' ? lstatSync(path) : undefined;
      const is =
        status === undefined
          ? '6'
          : status.isDirectory()
            ? '5'
            : status.isSymbolicLink()
              ? '2'
              : status.nlink > 1
                ? '1'
                : '0';
      assert.equal(is, second?.type, `n${index}`);
    }
    assertUntouched(host, 'root', 'root.json');
    await assertRefused(context, [[{ name: 'file' }, { name: 'file/in' }]], /no directory/);
  });

  void test('have no headers that cost more than their bytes', async (context) => {
    const content = Buffer.concat(Array.from({ length: 600 }, (_, index) => record(`k${index}`, '')));
    await assertRefused(context, [[{ name: 'g', type: 'g', content }, { name: 'x' }]], /global header/);
    const small = [{ name: 'g', type: 'g', content: record('comment', 'of a commit') }, { name: 'x' }];
    assert.deepEqual(readdirSync(await unpack(context, hostOf(context), [small])), ['x'], 'the control');
  });

  testWith(['busybox'], 'give a root whose links lead to nothing of the host’s', async (context) => {
    const host = hostOf(context);
    const links = [
      { name: 'secret', type: '2', link: join(host.path, 'secret') },
      { name: 'opt/up', type: '2', link: `../../../../../..${host.path}/secret` },
    ];
    const root = await unpack(context, host, [busyboxLayer(context), links]);
    const script = 'cat /secret /opt/up 2>/dev/null; cat /etc/motd';
    assert.equal(await stdoutOf('/bin/sh', ['-c', script], { filesystem: { root }, env: { PATH: '/bin' } }), 'hello');
    assert.equal(readFileSync(join(root, 'secret'), 'utf8'), 'SECRET', 'the control: on the host they do');
  });
});

void suite('a hostile layout', () => {
  const LAYERS = [tarByHand([{ name: 'file', content: 'x'.repeat(5000) }])];

  void test('has no blobs that are not what their digests say', async (context) => {
    const kinds = ['manifest', 'config', 'layer'] as const;
    for (const [which, kind] of kinds.entries()) {
      for (const harm of [damage, shorten, remove]) {
        const layout = new Layout(context);
        const manifest = layout.manifest({ layers: LAYERS, compressed: false });
        layout.index([manifest]);
        const { config, layers } = JSON.parse(readFileSync(blobPath(layout, manifest.digest), 'utf8')) as {
          readonly config: { readonly digest: string };
          readonly layers: readonly { readonly digest: string }[];
        };
        const digest = [manifest.digest, config.digest, layers[0]?.digest ?? ''][which] ?? '';
        const host = hostOf(context);
        harm(blobPath(layout, digest));
        await assert.rejects(
          unpackImage(layout.path, host.directory),
          { code: 'ERR_IMAGE', message: /digest|bytes|missing/ },
          `${kind} ${harm.name}`,
        );
        assertUntouched(host);
      }
    }
    assert.ok(await unpack(context, hostOf(context), LAYERS), 'the control');
  });

  void test('has no layers that are another archive than the configuration says, or none', async (context) => {
    const [one = Buffer.of()] = LAYERS;
    for (const layer of [
      gzipSync(tarByHand([{ name: 'other' }])),
      gzipSync(one).subarray(0, 60),
      Buffer.concat([gzipSync(one), Buffer.from('more')]),
      one.subarray(0, 1000),
      Buffer.from('no archive at all'.repeat(99)),
      Buffer.of(),
    ]) {
      const layout = new Layout(context);
      const { config } = JSON.parse(
        readFileSync(blobPath(layout, layout.manifest({ layers: LAYERS }).digest), 'utf8'),
      ) as { readonly config: object };
      layout.index([layout.blob(MEDIA.manifest, { config, layers: [layout.blob(MEDIA.gzip, layer)] })]);
      const host = hostOf(context);
      await assert.rejects(unpackImage(layout.path, host.directory), { code: 'ERR_IMAGE' });
      assertUntouched(host);
    }
  });

  void test('is bounded, and of the right form', async (context) => {
    const layout = new Layout(context);
    const manifest = layout.manifest({ layers: LAYERS });
    let deep: object = layout.blob(MEDIA.index, { manifests: [manifest] });
    for (let depth = 0; depth < 5; depth++) deep = layout.blob(MEDIA.index, { manifests: [deep, deep, deep, deep] });
    const wrong: readonly object[] = [
      deep,
      { ...manifest, digest: 'sha256:../../secret' },
      { ...manifest, digest: `md5:${'0'.repeat(32)}` },
      { ...manifest, size: -1 },
      { ...manifest, size: '5' },
      { ...manifest, mediaType: 'text/plain' },
      { ...manifest, platform: { os: 'windows', architecture: 'amd64' } },
    ];
    for (const one of wrong) {
      const host = hostOf(context);
      await assert.rejects(unpackImage(layout.index([one]).path, host.directory), { code: 'ERR_IMAGE' });
      assertUntouched(host);
    }
    for (const text of [
      '',
      '[]',
      '{"manifests":{}}',
      '{"manifests":[null]}',
      '{"manifests":[]}',
      '['.repeat(100_000),
    ]) {
      writeFileSync(join(layout.path, 'index.json'), text);
      await assert.rejects(unpackImage(layout.path, hostOf(context).directory), { code: 'ERR_IMAGE' });
    }
    for (const config of [
      { Env: ['NOTHING'] },
      { Env: 'A=b' },
      { Cmd: ['a\0b'] },
      { WorkingDir: 'relative' },
      { User: 5 },
    ]) {
      await assert.rejects(unpackImage(layoutOf(context, { layers: [], config }), hostOf(context).directory), {
        code: 'ERR_IMAGE',
      });
    }
    assert.equal(
      (await unpackImage(layout.index([manifest]).path, hostOf(context).directory)).existed,
      false,
      'the control',
    );
  });

  void test('has no files that are links, and names none outside of it', async (context) => {
    const layout = new Layout(context);
    layout.index([layout.manifest({ layers: LAYERS })]);
    const index = join(layout.path, 'index.json');
    renameSync(index, `${index}.moved`);
    symlinkSync(`${index}.moved`, index);
    await assert.rejects(unpackImage(layout.path, hostOf(context).directory), { code: 'ERR_IMAGE' });
    const host = hostOf(context);
    for (const name of [`../outside/${'0'.repeat(64)}.json`, `${host.path}/outside/${'0'.repeat(64)}.json`]) {
      const source = temporaryDirectory(context, { 'manifest.json': JSON.stringify([{ Config: name, Layers: [] }]) });
      await assert.rejects(unpackImage(source, host.directory), { code: 'ERR_IMAGE', message: /leads out/ });
    }
    renameSync(`${index}.moved`, index);
    assert.ok(await unpackImage(layout.path, host.directory), 'the control');
  });

  void test('finds a link or a file in its place, and leaves both', async (context) => {
    const source = layoutOf(context, { layers: LAYERS });
    const host = hostOf(context);
    symlinkSync('outside', host.directory);
    await assert.rejects(unpackImage(source, host.directory), { code: 'ERR_IMAGE', message: /exists/ });
    await assert.rejects(unpackImage(source, join(host.path, 'secret')), { code: 'ERR_IMAGE', message: /exists/ });
    mkdirSync(join(host.path, 'empty'));
    await assert.rejects(unpackImage(source, join(host.path, 'empty')), { code: 'ERR_IMAGE', message: /exists/ });
    writeFileSync(join(host.path, 'mine.json'), '{"settings":"of the app"}');
    await assert.rejects(unpackImage(source, join(host.path, 'mine')), {
      code: 'ERR_IMAGE',
      message: /mine.json' exists/,
    });
    assert.match(readFileSync(join(host.path, 'mine.json'), 'utf8'), /settings/);
    assertUntouched(host, 'empty', 'mine.json', basename(host.directory));
    assert.ok(await unpackImage(source, join(host.path, 'free')), 'the control');
  });
});

function blobPath(layout: Layout, digest: string): string {
  return join(layout.path, 'blobs', digest.replace(':', '/'));
}

function damage(path: string): void {
  const bytes = readFileSync(path);
  const middle = bytes.length >> 1;
  bytes.writeUInt8((bytes[middle] ?? 0) ^ 1, middle);
  writeFileSync(path, bytes);
}

function shorten(path: string): void {
  truncateSync(path, 100);
}

function remove(path: string): void {
  renameSync(path, `${path}.moved`);
}
