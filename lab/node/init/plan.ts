/** What `init/main.ts` does before it becomes the program of a node, a container or an exec: data, made by its caller. */
import type { Mount } from '../../../core/net/index.ts';

/** Paths are absolute inside `root`; symbolic links on the way are followed inside it, never out of it. */
export type Step =
  /** A bind needs its mount point: `point` says what to make when nothing is there. */
  | { readonly do: 'mount'; readonly mount: Mount; readonly point?: 'directory' | 'file' }
  | { readonly do: 'mkdir'; readonly path: string; readonly mode?: number }
  | { readonly do: 'symlink'; readonly path: string; readonly to: string }
  | { readonly do: 'copy'; readonly path: string; readonly from: string }
  | { readonly do: 'write'; readonly path: string; readonly text: string };

export type Credentials = {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** Numbers of capabilities(7) that a root process keeps; undefined keeps all. */
  readonly capabilities?: readonly number[];
  readonly noNewPrivileges: boolean;
};

export type InitPlan = {
  /** cgroup directories to join, before anything else. */
  readonly cgroups: readonly string[];
  /** A new mount and UTS namespace with this root, or the ones of a running container. */
  readonly place:
    | {
        readonly kind: 'new';
        readonly root: string;
        readonly hostname: string;
        readonly steps: readonly Step[];
        /** What is mounted here later is seen by the mount namespaces made from here (mountPropagation: HostToContainer). */
        readonly shared?: boolean;
      }
    | { readonly kind: 'of'; readonly pid: number };
  /** Standard input is a terminal, to be the session's own. */
  readonly terminal?: boolean;
  readonly cwd: string;
  readonly credentials: Credentials;
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
};

/** The descriptor on which init reads its plan to the end, and answers `STARTED` or why it could not. */
export const PLAN_FD = 3;
export const STARTED = 'started';
