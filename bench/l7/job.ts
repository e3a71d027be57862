/** What a proxy is asked to do, in no proxy's words. */
export type Job = {
  /** `hbone`: tunnels in and out, as waypoints have them; `plain`: HTTP over TCP on both sides. */
  readonly mode: 'plain' | 'hbone';
  /** For configuration and logs of one proxy. */
  readonly dir: string;
  /** Free, for those that can not find one by themselves. */
  readonly port: number;
  readonly http2Port: number;
  /** Where the application is: on loopback, or, for `hbone`, behind the tunnel port of `podIp`. */
  readonly upstream: number;
  readonly podIp: string;
  /** Routes by prefix: all but the last match nothing that is asked for. */
  readonly routes: number;
  /** That deny by path: nothing that is asked for. */
  readonly policies: number;
};

/** One in all is what everybody has: all to one place, and `/admin` denied. */
export const prefixes = ({ routes }: Job) => [...upTo(routes - 1).map((i) => `/team-${i}/`), '/'];
export const denied = ({ policies }: Job) => ['/admin', ...upTo(policies - 1).map((i) => `/secret-${i}/`)];

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

/** What runs, and how it says where it listens, if it chose that itself. */
export type Program = {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly serving?: RegExp;
  /** Where HTTP/2 is another port. */
  readonly http2Port?: number;
};
/** Writes what it needs into `job.dir`. */
export type Configure = (job: Job) => Program;
