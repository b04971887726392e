/** What there is at one moment. */
export type SoakCounts = Readonly<
  Record<
    | 'descriptors of the app'
    | 'descriptors of the spawner'
    | 'processes below the app'
    | 'zombies below the app'
    | 'cgroups'
    | 'mounts of the app'
    | 'KiB of the app'
    | 'KiB of its heap'
    | 'KiB of the spawner',
    number
  >
>;

export interface SoakAnswer {
  readonly before: SoakCounts;
  readonly after: SoakCounts;
  /** How many steps of each kind ended as they had to. */
  readonly kinds: Readonly<Record<string, number>>;
  readonly seconds: number;
  /** Processes after the end. */
  readonly left: number;
}
