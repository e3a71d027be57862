import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';

export type ExecRequest = {
  readonly command: readonly [string, ...string[]];
  readonly stdin: boolean;
};

/** One container as its streams need it. */
export interface ContainerAccess {
  /** Path of the log in CRI form; undefined when there is none (a `previous` that never was). */
  logFile(previous: boolean): string | undefined;
  /** Settles when the present run of the container has ended; a follower then reads to the end and stops. */
  readonly ended: Promise<void>;
  /** Starts a command inside, with pipes for its streams. Rejects with words for a person when it cannot be started. */
  exec(request: ExecRequest): Promise<ChildProcess>;
}

export interface PodAccess {
  container(name: string): ContainerAccess | undefined;
  readonly containerNames: readonly string[];
  /** A connection to a port on the pod's own loopback. */
  dial(port: number): Promise<Socket>;
}

/** The pods of this node, as the kubelet's HTTP server sees them. */
export interface KubeletAccess {
  pod(namespace: string, name: string): PodAccess | undefined;
}
