import { posix } from 'node:path';
import {
  type Descriptor,
  descriptorOf,
  digestOf,
  type Fields,
  fieldsOf,
  jsonBlob,
  jsonFile,
  listOf,
  openBlob,
  textsOf,
} from './json.js';
import { checkPlatform, selectManifest } from './manifest.js';
import { ImageProblem, named } from './problem.js';
import type { OpenPart, Source } from './source.js';
import type { UnpackedImage } from './types.js';

const MOST_LAYERS = 500;
const LAYER =
  /^application\/vnd\.(?:oci\.image\.layer\.(?:nondistributable\.)?v1\.tar|docker\.image\.rootfs\.diff\.tar)(?:[+.](?:gzip|zstd))?$/;

/** One layer, and what it must turn out to be. */
export interface Layer {
  /** One at a time: there may be more than the app has descriptors. */
  readonly open: () => Promise<OpenPart>;
  /** Of the bytes as they are stored. */
  readonly digest?: string;
  /** Of the archive, uncompressed. */
  readonly diffId: string;
}

export interface Image {
  readonly digest: string;
  readonly layers: readonly Layer[];
  readonly settings: Pick<UnpackedImage, 'env' | 'cwd' | 'user' | 'entrypoint' | 'cmd'>;
}

/** A layout has an index; what `docker save` wrote before version 25 has only a list of its own. */
export async function readImage(source: Source, tag: string | undefined): Promise<Image> {
  const layout = await jsonFile(source, 'oci-layout');
  if (layout !== undefined) return await ofLayout(source, layout, tag);
  const list = await jsonFile(source, 'manifest.json');
  if (list !== undefined) return await ofList(source, list, tag);
  throw new ImageProblem(
    'it is no OCI image layout: it holds neither oci-layout nor manifest.json',
    'Make one by `docker save`, `skopeo copy` or `buildah push`.',
  );
}

async function ofLayout(source: Source, layout: unknown, tag: string | undefined): Promise<Image> {
  const version = fieldsOf(layout, 'oci-layout')['imageLayoutVersion'];
  if (version !== '1.0.0') throw new ImageProblem(`its layout is of version ${named(String(version))}, not '1.0.0'`);
  const chosen = await selectManifest(source, tag);
  const manifest = await jsonBlob(source, chosen);
  const config = await jsonBlob(source, descriptorOf(manifest['config']));
  checkPlatform(config);
  const layers = listOf(manifest['layers'], 'the list of layers', MOST_LAYERS).map(descriptorOf);
  const diffIds = diffIdsOf(config, layers.length);
  const parts: Layer[] = [];
  for (const [index, layer] of layers.entries()) {
    checkLayerType(layer);
    parts.push({ open: () => openBlob(source, layer), digest: layer.digest, diffId: diffIds[index] ?? '' });
  }
  return { digest: chosen.digest, layers: parts, settings: settingsOf(config) };
}

/** The name of a configuration is its digest; it names those of the layers. */
async function ofList(source: Source, list: unknown, tag: string | undefined): Promise<Image> {
  const images = listOf(list, 'manifest.json', MOST_LAYERS)
    .map((value) => fieldsOf(value, 'manifest.json'))
    .filter((fields) => tag === undefined || textsOf(fields['RepoTags'], 'RepoTags').includes(tag));
  const [image, ...others] = images;
  if (image === undefined || others.length > 0)
    throw new ImageProblem(`it holds ${images.length} images of that name`, 'Choose one by tag.');
  const name = nameOf(String(image['Config']));
  const digest = digestOf(`sha256:${posix.basename(name, '.json')}`);
  const config = fieldsOf(await jsonFile(source, name, digest), 'the configuration');
  checkPlatform(config);
  const names = textsOf(image['Layers'], 'the list of layers');
  const diffIds = diffIdsOf(config, names.length);
  const layers: Layer[] = [];
  for (const [index, layer] of names.entries()) {
    layers.push({ open: () => openListed(source, layer), diffId: diffIds[index] ?? '' });
  }
  return { digest, layers, settings: settingsOf(config) };
}

async function openListed(source: Source, layer: string): Promise<OpenPart> {
  const part = await source.part(nameOf(layer));
  if (part !== undefined) return part;
  throw new ImageProblem(`layer ${named(layer)} is missing`);
}

/** Of a file of the source, and of no other. */
function nameOf(text: string): string {
  const name = posix.normalize(text);
  if (!name.startsWith('/') && !name.startsWith('..')) return name;
  throw new ImageProblem(`${named(text)} leads out of it`);
}

function checkLayerType({ mediaType, digest }: Descriptor): void {
  if (!LAYER.test(mediaType)) throw new ImageProblem(`layer ${digest} is of unknown type ${named(mediaType)}`);
}

function diffIdsOf(config: Fields, count: number): readonly string[] {
  const ids = listOf(fieldsOf(config['rootfs'], 'rootfs')['diff_ids'], 'diff_ids', MOST_LAYERS).map(digestOf);
  if (ids.length === count) return ids;
  throw new ImageProblem(`it has ${count} layers, and its configuration names ${ids.length}`);
}

function settingsOf(config: Fields): Image['settings'] {
  const settings = fieldsOf(config['config'] ?? {}, 'its configuration');
  const cwd = textOf(settings['WorkingDir'], 'WorkingDir');
  const user = textOf(settings['User'], 'User');
  if (cwd !== '' && !cwd.startsWith('/')) throw new ImageProblem(`its working directory ${named(cwd)} is not absolute`);
  return {
    env: Object.fromEntries(textsOf(settings['Env'], 'Env').map(variableOf)),
    ...(cwd === '' ? {} : { cwd }),
    ...(user === '' ? {} : { user }),
    entrypoint: textsOf(settings['Entrypoint'], 'Entrypoint'),
    cmd: textsOf(settings['Cmd'], 'Cmd'),
  };
}

function textOf(value: unknown, what: string): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string' && !value.includes('\0')) return value;
  throw new ImageProblem(`${what} is no text`);
}

function variableOf(text: string): readonly [string, string] {
  const equals = text.indexOf('=');
  if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
  throw new ImageProblem(`${named(text)} is no variable`);
}
