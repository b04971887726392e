/** What the load consists of: a command of its own, commands and files of a sandbox that lives, a step of a zygote, and one that its deadline ends. */
export const KINDS = ['command', 'sandbox', 'warm', 'deadline'] as const;
export type Kind = (typeof KINDS)[number];

/** What `load.js` says, a line each. */
export type LoadLine =
  | { readonly type: 'up'; readonly tries: number }
  | { readonly type: 'lost'; readonly kind: Kind; readonly by: string; readonly from: number; readonly to: number }
  | { readonly type: 'wrong'; readonly kind: Kind; readonly detail: string }
  | {
      readonly type: 'well';
      readonly tries: number;
      readonly done: Readonly<Record<Kind, number>>;
      readonly lost: number;
    }
  | {
      readonly type: 'stopped';
      readonly children: number;
      readonly descriptors: { readonly before: number; readonly after: number };
      readonly done: Readonly<Record<Kind, number>>;
      readonly lost: number;
    };

/** The same in every process of the machine. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
