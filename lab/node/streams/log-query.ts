/** What a reader of a log asked for; the names are those of the Kubernetes API. */
export type LogQuery = {
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines: number | undefined;
  readonly limitBytes: number | undefined;
  /** Nothing older than this. */
  readonly since: Date | undefined;
};

const truthy = (text: string | null) => text === 'true' || text === '1';

/** Throws an Error that names the parameter and what is wrong with it. */
export function parseLogQuery(query: URLSearchParams, now: Date): LogQuery {
  const sinceSeconds = whole(query, 'sinceSeconds');
  const sinceTime = query.get('sinceTime');
  if (sinceTime !== null && Number.isNaN(Date.parse(sinceTime))) throw new Error(`sinceTime: not a time: ${sinceTime}`);
  if (sinceTime !== null && sinceSeconds !== undefined)
    throw new Error('sinceTime and sinceSeconds exclude each other');
  const since =
    sinceSeconds !== undefined
      ? now.getTime() - sinceSeconds * 1000
      : sinceTime !== null
        ? Date.parse(sinceTime)
        : undefined;
  return {
    follow: truthy(query.get('follow')),
    previous: truthy(query.get('previous')),
    timestamps: truthy(query.get('timestamps')),
    tailLines: whole(query, 'tailLines'),
    limitBytes: whole(query, 'limitBytes'),
    since: since === undefined ? undefined : new Date(since),
  };
}

function whole(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^\d+$/.test(text)) throw new Error(`${name}: not a whole number: ${text}`);
  return Number(text);
}
