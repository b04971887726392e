import { type Descriptor, descriptorOf, type Fields, fieldsOf, jsonBlob, jsonFile, listOf } from './json.js';
import { ImageProblem, named } from './problem.js';
import type { Source } from './source.js';

const MOST_MANIFESTS = 1000;
const MOST_INDEXES = 100;
const INDEX_DEPTH = 4;
const INDEXES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
const MANIFESTS = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
const NAMES = ['org.opencontainers.image.ref.name', 'io.containerd.image.name'];
/** What images call the machines that this library runs on. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

export const ARCHITECTURE = ARCHITECTURES[process.arch] ?? process.arch;

/** The manifest for this machine, in the index of a layout and those within it. */
export async function selectManifest(source: Source, tag: string | undefined): Promise<Descriptor> {
  const index = await jsonFile(source, 'index.json');
  if (index === undefined) throw new ImageProblem('it holds no index.json');
  const top = entriesOf(fieldsOf(index, 'index.json')).filter((entry) => tag === undefined || isNamed(entry, tag));
  const found = new Map<string, Descriptor>();
  await collect(source, top, found, { read: 0 }, 0);
  const [first, ...others] = found.values();
  if (first === undefined) {
    const named_ = tag === undefined ? '' : ` named ${named(tag)}`;
    throw new ImageProblem(
      `it holds no image${named_} for linux/${ARCHITECTURE}`,
      `It holds: ${known(index)}. Choose another by tag, or make one for this machine.`,
    );
  }
  if (others.length === 0) return first;
  throw new ImageProblem(
    `it holds ${found.size} images for linux/${ARCHITECTURE}`,
    `Choose one by tag: ${known(index)}.`,
  );
}

/** Checks what is read next, as an index need not tell for which machine an image is. */
export function checkPlatform(config: Fields): void {
  const { os, architecture } = config;
  if (os === 'linux' && architecture === ARCHITECTURE) return;
  const what = named(`${String(os)}/${String(architecture)}`);
  throw new ImageProblem(`it is for ${what}, and this is linux/${ARCHITECTURE}`, 'Make one for this machine.');
}

async function collect(
  source: Source,
  entries: readonly Descriptor[],
  found: Map<string, Descriptor>,
  count: { read: number },
  depth: number,
): Promise<void> {
  for (const entry of entries) {
    if (INDEXES.includes(entry.mediaType)) {
      count.read += 1;
      if (depth === INDEX_DEPTH || count.read > MOST_INDEXES) throw new ImageProblem('its indexes are too many');
      await collect(source, entriesOf(await jsonBlob(source, entry)), found, count, depth + 1);
    } else if (MANIFESTS.includes(entry.mediaType) && isForUs(entry)) found.set(entry.digest, entry);
  }
}

function entriesOf(index: Fields): readonly Descriptor[] {
  return listOf(index['manifests'], 'an index', MOST_MANIFESTS).map(descriptorOf);
}

function isForUs({ rest }: Descriptor): boolean {
  if (rest['platform'] === undefined) return true;
  const { os, architecture } = fieldsOf(rest['platform'], 'a platform');
  return os === 'linux' && architecture === ARCHITECTURE;
}

function namesOf({ rest }: Descriptor): readonly string[] {
  const annotations = rest['annotations'] === undefined ? {} : fieldsOf(rest['annotations'], 'an annotation');
  return NAMES.map((name) => annotations[name]).filter((name) => typeof name === 'string');
}

function isNamed(entry: Descriptor, tag: string): boolean {
  return namesOf(entry).some((name) => name === tag || name === `docker.io/library/${tag}`);
}

function known(index: unknown): string {
  const entries = entriesOf(fieldsOf(index, 'index.json')).slice(0, 10);
  return entries.map((entry) => namesOf(entry).map(named)[0] ?? 'one without a name').join(', ');
}
