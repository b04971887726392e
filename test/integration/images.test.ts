import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite, test, type TestContext } from 'node:test';
import zlib from 'node:zlib';
import { createSandbox, unpackImage } from 'spawn-sandbox';
import { ARCHITECTURE, busyboxLayer, Layout, layoutOf, MEDIA, sha256, tarOf } from '../helpers/image-layout.js';
import { stdoutOf } from '../helpers/run.js';
import { tarByHand } from '../helpers/tar-by-hand.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { testWith } from '../helpers/tools.js';

const CLI = fileURLToPath(import.meta.resolve('#src/cli/main.js'));
const CONFIG = {
  Env: ['PATH=/bin', 'GREETING=a=b'],
  WorkingDir: '/opt',
  User: '1000:1000',
  Entrypoint: ['/bin/sh', '-c'],
  Cmd: ['pwd'],
};

const place = (context: TestContext, name = 'root'): string => join(temporaryDirectory(context), name);

/** All below a directory, with what it is. */
function listing(directory: string): readonly string[] {
  const text = execFileSync('find', [directory, '-mindepth', '1', '-printf', '%P %y %m %s %l\\n'], {
    encoding: 'latin1',
  });
  return text
    .split('\n')
    .filter((line) => line !== '')
    .toSorted();
}

function names(directory: string): readonly string[] {
  return listing(directory).map((line) => line.split(' ')[0] ?? '');
}

async function unpacked(context: TestContext, ...layers: readonly Buffer[]): Promise<string> {
  return (await unpackImage(layoutOf(context, { layers }), place(context))).directory;
}

void suite('an image', () => {
  testWith(['busybox'], 'becomes a root in which its programs run', async (context) => {
    const second = temporaryDirectory(context, { 'etc/motd': 'changed\n', 'opt/.wh.old': '', 'opt/new': 'new\n' });
    const source = layoutOf(context, { layers: [busyboxLayer(context), tarOf(second)], config: CONFIG });
    const image = await unpackImage(source, place(context));
    assert.deepEqual(image.env, { PATH: '/bin', GREETING: 'a=b' });
    assert.deepEqual(
      [image.cwd, image.user, image.entrypoint, image.cmd],
      ['/opt', '1000:1000', ['/bin/sh', '-c'], ['pwd']],
    );
    const [file, ...args] = ['sh', ...image.entrypoint.slice(1), 'pwd; cat /etc/motd; ls; echo $GREETING'];
    const options = { filesystem: { root: image.directory }, env: image.env, cwd: image.cwd ?? '/' };
    assert.equal(await stdoutOf(file, args, options), '/opt\nchanged\nnew\ntool\na=b');
    const sandbox = await createSandbox(options);
    try {
      assert.equal((await sandbox.spawn('sh', ['-c', 'echo mine > /opt/new; cat /opt/new'])).stdout, 'mine\n');
      assert.equal((await sandbox.spawn('cat', ['/opt/new'])).stdout, 'mine\n');
    } finally {
      await sandbox.destroy();
    }
    assert.equal(await stdoutOf('cat', ['/opt/new'], options), 'new', 'the next finds it as it was unpacked');
  });

  void test('is the same from a directory, an archive, a compressed one and one of the older form', async (context) => {
    const layer = tarOf(temporaryDirectory(context, { 'a/b': 'content', c: '' }), '--sort=name');
    const layout = new Layout(context).index([]);
    layout.index([layout.manifest({ layers: [layer], config: CONFIG })]);
    const archives = temporaryDirectory(context);
    execFileSync('tar', ['-C', layout.path, '-cf', join(archives, 'plain.tar'), '.']);
    execFileSync('tar', [
      '-C',
      layout.path,
      '-czf',
      join(archives, 'compressed.tar.gz'),
      'oci-layout',
      'index.json',
      'blobs',
    ]);
    const seen = [];
    for (const source of [
      layout.path,
      join(archives, 'plain.tar'),
      join(archives, 'compressed.tar.gz'),
      olderForm(context, layer),
    ]) {
      const image = await unpackImage(source, place(context));
      assert.deepEqual(image.env, { PATH: '/bin', GREETING: 'a=b' });
      seen.push(listing(image.directory));
    }
    assert.equal(seen.length, 4);
    for (const one of seen) assert.deepEqual(one, seen[0]);
    assert.deepEqual(names(await unpacked(context, layer)), ['a', 'a/b', 'c'], 'the control');
  });

  void test('is chosen for this machine, through indexes in indexes, and by its tag', async (context) => {
    const layout = new Layout(context);
    const [ours, other] = [ARCHITECTURE, 's390x'].map((architecture) => ({
      ...layout.manifest({ layers: [tarByHand([{ name: architecture }])], architecture }),
      platform: { os: 'linux', architecture },
    }));
    const attestation = { ...layout.blob(MEDIA.manifest, {}), platform: { os: 'unknown', architecture: 'unknown' } };
    const inner = layout.blob(MEDIA.index, { manifests: [attestation, other, ours] });
    const tagged = (name: string): object => ({
      ...layout.manifest({ layers: [tarByHand([{ name }])] }),
      annotations: { 'org.opencontainers.image.ref.name': name },
    });
    layout.index([
      {
        ...layout.blob(MEDIA.index, { manifests: [inner] }),
        annotations: { 'io.containerd.image.name': 'docker.io/library/nested:1' },
      },
    ]);
    assert.deepEqual(names((await unpackImage(layout.path, place(context))).directory), [ARCHITECTURE]);
    layout.index([inner, tagged('one'), tagged('two')]);
    await assert.rejects(unpackImage(layout.path, place(context)), { code: 'ERR_IMAGE', remedy: /'one', 'two'/ });
    assert.deepEqual(names((await unpackImage(layout.path, place(context), { tag: 'two' })).directory), ['two']);
    layout.index([other as object]);
    await assert.rejects(unpackImage(layout.path, place(context)), { code: 'ERR_IMAGE' });
  });

  void test('is unpacked once, and what is in its place already is kept', async (context) => {
    const [one, two] = ['one', 'two'].map((name) => layoutOf(context, { layers: [tarByHand([{ name }])] }));
    const directory = place(context);
    const many = await Promise.all([1, 2, 3].map(() => unpackImage(one ?? '', directory)));
    assert.equal(many.filter(({ existed }) => !existed).length, 1, 'all at once');
    assert.equal((await unpackImage(one ?? '', directory)).existed, true);
    await assert.rejects(unpackImage(two ?? '', directory), { code: 'ERR_IMAGE', message: /another image/ });
    assert.deepEqual(names(directory), ['one']);
    assert.deepEqual(readdirSync(join(directory, '..')), ['root', 'root.json']);
    rmSync(directory, { recursive: true });
    assert.equal(
      (await unpackImage(two ?? '', directory)).existed,
      false,
      'a record without its directory means nothing',
    );
    const foreign = temporaryDirectory(context, { file: 'mine' });
    await assert.rejects(unpackImage(one ?? '', foreign), { code: 'ERR_IMAGE', message: /not unpacked/ });
    assert.deepEqual(names(foreign), ['file']);
  });

  void test('has links, modes and times as its layers have them, and set-id bits never', async (context) => {
    const root = temporaryDirectory(context, { file: 'content', 'dir/closed/in': 'x' });
    linkSync(join(root, 'file'), join(root, 'other'));
    symlinkSync('/etc/../file', join(root, 'absolute'));
    utimesSync(join(root, 'file'), 1_234_567_890.5, 1_234_567_890.5);
    utimesSync(join(root, 'dir'), 1_000_000_000, 1_000_000_000);
    execFileSync('chmod', ['4751', join(root, 'file')]);
    execFileSync('chmod', ['1777', join(root, 'dir')]);
    const layer = tarOf(root, '--format=pax', '--mode=a-w', '--sort=name');
    const directory = await unpacked(context, layer);
    const status = lstatSync(join(directory, 'file'));
    assert.deepEqual([status.mode & 0o7777, status.nlink, status.mtimeMs], [0o551, 2, 1_234_567_890_500]);
    assert.equal(lstatSync(join(directory, 'other')).ino, status.ino);
    assert.equal(readlinkSync(join(directory, 'absolute')), '/etc/../file');
    assert.equal(lstatSync(join(directory, 'dir')).mtimeMs, 1_000_000_000_000, 'though something was put in it later');
    assert.equal(lstatSync(join(directory, 'dir')).mode & 0o7777, 0o755, 'who unpacked it can remove it');
    assert.match(
      execFileSync('tar', ['-tvf', '-'], { input: layer, encoding: 'utf8' }),
      /^-r-sr-x--x .*file$/m,
      'the control',
    );
  });

  void test('has names of all kinds, long ones and such that are not UTF-8', async (context) => {
    const root = temporaryDirectory(context, {
      ['n'.repeat(255)]: '',
      [`${'d/'.repeat(60)}${'e'.repeat(120)}`]: '',
      'new\nline': '',
      ' ': '',
      ünï: '',
    });
    const archives = ['gnu', 'posix'].map((format) => tarOf(root, `--format=${format}`));
    for (const archive of archives) assert.deepEqual(listing(await unpacked(context, archive)), listing(root));
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe])]), '');
    assert.deepEqual(listing(await unpacked(context, tarOf(root, '--format=gnu'))), listing(root));
    // The reader of archives decodes extended headers itself: better none than another name.
    const extended = unpacked(context, tarOf(root, '--format=posix'));
    await assert.rejects(extended, { code: 'ERR_IMAGE', message: /not UTF-8/ });
  });

  void test('has in each layer what it adds, replaces and removes', async (context) => {
    const lower = tarByHand([
      { name: 'file', content: 'lower' },
      { name: 'dir/', type: '5', mode: 0o700 },
      { name: 'dir/kept', content: 'kept' },
      { name: 'dir/gone', content: 'gone' },
      { name: 'opaque/inner/old' },
      { name: 'opaque/old' },
      { name: 'link', type: '2', link: 'dir' },
      { name: 'tofile/deep/x' },
      { name: 'lib', type: '2', link: 'usr/lib' },
    ]);
    const upper = tarByHand([
      { name: 'file/', type: '5', mode: 0o755 },
      { name: 'file/in', content: 'dir over file' },
      { name: 'dir/', type: '5', mode: 0o750 },
      { name: 'dir/.wh.gone' },
      { name: 'dir/.wh.never' },
      { name: 'opaque/inner/', type: '5', mode: 0o755 },
      { name: 'opaque/inner/new' },
      { name: 'opaque/.wh..wh..opq' },
      { name: '.wh..wh.plnk/', type: '5' },
      { name: 'link/', type: '5', mode: 0o755 },
      { name: 'tofile', content: 'file over dir' },
      { name: 'lib/so', content: 'through the link' },
    ]);
    const directory = await unpacked(context, lower, upper);
    assert.deepEqual(listing(directory), [
      'dir d 750 4096 ',
      'dir/kept f 644 4 ',
      'file d 755 4096 ',
      'file/in f 644 13 ',
      'lib l 777 7 usr/lib',
      'link d 755 4096 ',
      'opaque d 755 4096 ',
      'opaque/inner d 755 4096 ',
      'opaque/inner/new f 644 0 ',
      'tofile f 644 13 ',
      'usr d 755 4096 ',
      'usr/lib d 755 4096 ',
      'usr/lib/so f 644 16 ',
    ]);
    assert.ok(names(await unpacked(context, lower)).includes('opaque/inner/old'), 'the control');
  });

  void test('compressed by zstd needs a Node that reads it', async (context) => {
    const layer = tarByHand([{ name: 'file' }]);
    const layout = new Layout(context);
    const { config } = JSON.parse(
      readFileSync(join(layout.path, 'blobs', layout.manifest({ layers: [layer] }).digest.replace(':', '/')), 'utf8'),
    ) as { readonly config: object };
    layout.index([
      layout.blob(MEDIA.manifest, { config, layers: [layout.blob(`${MEDIA.tar}+zstd`, zstdFrame(layer))] }),
    ]);
    const image = unpackImage(layout.path, place(context));
    if ('createZstdDecompress' in zlib) assert.deepEqual(names((await image).directory), ['file']);
    else await assert.rejects(image, { code: 'ERR_IMAGE', remedy: /Node 22\.15/ });
  });

  void test('whose unpacking is aborted leaves nothing', async (context) => {
    const source = layoutOf(context, { layers: [tarByHand([{ name: 'big', content: Buffer.alloc(64 << 20) }])] });
    const directory = place(context);
    const reason = new Error('enough');
    await assert.rejects(unpackImage(source, directory, { signal: AbortSignal.abort(reason) }), {
      code: 'ERR_IMAGE',
      cause: reason,
    });
    const controller = new AbortController();
    setTimeout(() => {
      controller.abort(reason);
    }, 30);
    await assert.rejects(unpackImage(source, directory, { signal: controller.signal }), {
      code: 'ERR_IMAGE',
      cause: reason,
    });
    assert.deepEqual(readdirSync(join(directory, '..')), []);
    assert.equal((await unpackImage(source, directory)).existed, false, 'the control');
  });

  void test('that is none, or options that are wrong, are refused', async (context) => {
    const directory = place(context);
    const source = layoutOf(context, { layers: [] });
    await assert.rejects(unpackImage(join(source, 'nothing'), directory), { code: 'ERR_IMAGE', syscall: 'open' });
    await assert.rejects(unpackImage(temporaryDirectory(context), directory), {
      code: 'ERR_IMAGE',
      message: /oci-layout/,
    });
    await assert.rejects(unpackImage(source, '/nowhere/root'), { code: 'ERR_IMAGE', errno: 2, message: /'nowhere'/ });
    await assert.rejects(unpackImage('/dev/null', directory), { code: 'ERR_IMAGE' });
    await assert.rejects(unpackImage(source, '/'), { code: 'ERR_INVALID_OPTION' });
    await assert.rejects(unpackImage(source, directory, { limits: 1 } as object), {
      code: 'ERR_INVALID_OPTION',
      message: /'limit'/,
    });
    await assert.rejects(unpackImage(source, directory, { entries: 0 }), { code: 'ERR_INVALID_OPTION' });
    assert.deepEqual(readdirSync(join(directory, '..')), []);
  });
});

void suite('spawn-sandbox unpack', () => {
  testWith(['busybox'], 'makes a root for run', (context) => {
    const source = layoutOf(context, { layers: [busyboxLayer(context)], config: CONFIG });
    const directory = place(context);
    const cli = (...args: readonly string[]): ReturnType<typeof spawnSync> =>
      spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8', timeout: 60_000, input: '' });
    const { status, stdout } = cli('unpack', source, directory);
    assert.equal(status, 0);
    const said = JSON.parse(String(stdout)) as { readonly directory: string; readonly cmd: readonly string[] };
    assert.deepEqual([said.directory, said.cmd], [directory, ['pwd']]);
    assert.equal(cli('run', '--root', directory, '--env', 'PATH=/bin', '--', 'cat', '/etc/motd').stdout, 'hello\n');
    assert.equal(cli('unpack', '--limit', '1kB', source, join(directory, '../small')).status, 125);
    assert.match(String(cli('unpack', source).stderr), /Usage: spawn-sandbox unpack/);
    return Promise.resolve();
  });
});

/** Of one block that is stored as it is. */
function zstdFrame(bytes: Buffer): Buffer {
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32LE(bytes.length, 5);
  header.writeUIntLE((bytes.length << 3) | 1, 9, 3);
  return Buffer.concat([header, bytes]);
}

/** As `docker save` was before version 25: a list of names, the layers of which are archives, one of them a link to another. */
function olderForm(context: TestContext, layer: Buffer): string {
  const root = temporaryDirectory(context);
  const config = Buffer.from(
    JSON.stringify({
      os: 'linux',
      architecture: ARCHITECTURE,
      config: CONFIG,
      rootfs: { diff_ids: [layer, layer].map((one) => `sha256:${sha256(one)}`) },
    }),
  );
  writeFileSync(join(root, `${sha256(config)}.json`), config);
  for (const name of ['one', 'two']) mkdirSync(join(root, name));
  writeFileSync(join(root, 'one/layer.tar'), layer);
  symlinkSync('../one/layer.tar', join(root, 'two/layer.tar'));
  const list = [
    { Config: `${sha256(config)}.json`, RepoTags: ['image:latest'], Layers: ['one/layer.tar', 'two/layer.tar'] },
  ];
  writeFileSync(join(root, 'manifest.json'), JSON.stringify(list));
  const archive = join(temporaryDirectory(context), 'older.tar');
  execFileSync('tar', ['-C', root, '-cf', archive, '.']);
  assert.ok(readFileSync(archive).length > layer.length);
  return archive;
}
