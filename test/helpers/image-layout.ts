import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { findInPath } from '#src/policy/lookup.js';
import { type Cleaning, temporaryDirectory } from './temporary-directory.js';

export const ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch;
export const MEDIA = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  tar: 'application/vnd.oci.image.layer.v1.tar',
} as const;

export interface Described {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export interface ImageParts {
  /** Archives, not compressed. */
  readonly layers: readonly Buffer[];
  readonly config?: object;
  readonly architecture?: string;
  /** @default true */
  readonly compressed?: boolean;
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** An image layout in a directory, made piece by piece. */
export class Layout {
  readonly path: string;

  constructor(context: Cleaning) {
    this.path = temporaryDirectory(context, { 'oci-layout': '{"imageLayoutVersion":"1.0.0"}' });
    mkdirSync(join(this.path, 'blobs/sha256'), { recursive: true });
  }

  blob(mediaType: string, content: Buffer | object): Described {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
    const digest = sha256(bytes);
    writeFileSync(join(this.path, 'blobs/sha256', digest), bytes);
    return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
  }

  manifest({ layers, config = {}, architecture = ARCHITECTURE, compressed = true }: ImageParts): Described {
    const described = this.blob(MEDIA.config, {
      os: 'linux',
      architecture,
      config,
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => `sha256:${sha256(layer)}`) },
    });
    const blobs = layers.map((layer) =>
      compressed ? this.blob(MEDIA.gzip, gzipSync(layer)) : this.blob(MEDIA.tar, layer),
    );
    return this.blob(MEDIA.manifest, { schemaVersion: 2, config: described, layers: blobs });
  }

  index(manifests: readonly object[]): this {
    writeFileSync(join(this.path, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
    return this;
  }
}

/** The path of a layout with one image. */
export function layoutOf(context: Cleaning, parts: ImageParts): string {
  const layout = new Layout(context);
  return layout.index([layout.manifest(parts)]).path;
}

/** What the system's tar makes of a directory. */
export function tarOf(directory: string, ...args: readonly string[]): Buffer {
  return execFileSync('tar', ['-C', directory, ...args, '-cf', '-', '.'], { maxBuffer: 1 << 28 });
}

/** Programs enough to look at a system from within. */
export function busyboxLayer(context: Cleaning): Buffer {
  const root = temporaryDirectory(context, { 'etc/motd': 'hello\n', 'opt/tool/data': 'data\n', 'opt/old': 'old\n' });
  mkdirSync(join(root, 'bin'));
  copyFileSync(findInPath('busybox', process.env['PATH'] ?? '') ?? '', join(root, 'bin/busybox'));
  chmodSync(join(root, 'bin/busybox'), 0o755);
  for (const name of ['sh', 'cat', 'ls', 'pwd']) symlinkSync('busybox', join(root, 'bin', name));
  symlinkSync('bin', join(root, 'sbin'));
  return tarOf(root);
}
