/** A request as people read it while it scrolls by: one line, what matters first. */
import type { TapEntry } from './entry.ts';

type Paint = (text: string, colour: keyof typeof COLOURS) => string;
const COLOURS = { good: 32, odd: 33, bad: 31, faint: 2 } as const;

const painted: Paint = (text, colour) => `\u001b[${COLOURS[colour]}m${text}\u001b[0m`;
const plain: Paint = (text) => text;

export function tapLine(entry: TapEntry, isTerminal: boolean): string {
  const paint = isTerminal ? painted : plain;
  const { at, status, method = '-', authority = '', path = '', durationMs, upstreamMs, route, policy } = entry;
  const code = status === undefined ? '---' : String(status);
  const upstream = upstreamMs === undefined ? '' : ` (upstream ${milliseconds(upstreamMs)})`;
  const parts = [
    paint(timeOf(at), 'faint'),
    paint(code, colourOf(status)),
    `${method} ${authority}${path}`,
    `${milliseconds(durationMs)}${upstream}`,
    [sourceOf(entry), entry.called && serviceOf(entry.called), destinationOf(entry)].filter(Boolean).join(' -> '),
    route && `route ${route}`,
    policy?.verdict === 'deny' ? paint(denialOf(entry), 'bad') : undefined,
    // In the reference `-` stands for none.
    entry.flags && entry.flags !== '-'
      ? paint([entry.flags, entry.details].filter(Boolean).join(' '), 'odd')
      : undefined,
  ];
  return parts.filter((part) => part !== undefined && part !== '').join('  ');
}

/** Method, host and path come from callers: what a terminal would obey is shown, never sent to it. */
export function harmless<T>(value: T): T {
  if (typeof value === 'string') return value.replace(CONTROL, escaped) as T;
  if (Array.isArray(value)) return value.map(harmless) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, harmless(held)])) as T;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** `14:03:12.123` of a moment in UTC; whatever else is written stays as it is. */
const timeOf = (at: string) => /T(\d\d:\d\d:\d\d(?:\.\d{1,3})?)/.exec(at)?.[1] ?? at;

const milliseconds = (value: number) => `${value < 10 ? value.toFixed(1) : Math.round(value)}ms`;

function colourOf(status: number | undefined): keyof typeof COLOURS {
  if (status === undefined || status >= 500) return 'bad';
  return status >= 400 ? 'odd' : 'good';
}

/** `web.shop`; where the workload is not known the account, and else the address. */
function sourceOf({ source: { workload, namespace, principal, ip = '?' } }: TapEntry): string {
  if (workload) return namespace ? `${workload}.${namespace}` : workload;
  const account = /\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(principal ?? '');
  return account === null ? ip : `${account[2]}.${account[1]}`;
}

/** `cart.shop:8080 at 10.1.0.7:8080`. */
function destinationOf({ destination }: TapEntry): string {
  const { endpoint } = destination;
  const who = serviceOf(destination);
  return [who, endpoint && (who ? `at ${endpoint}` : endpoint)].filter(Boolean).join(' ') || 'nobody';
}

/** `service` is `namespace/hostname`. */
function serviceOf({ service, port }: Pick<TapEntry['destination'], 'service' | 'port'>): string {
  const [namespace = '', hostname] = (service ?? '').split('/');
  const name = hostname === undefined ? service : (hostname.split(`.${namespace}.svc.`)[0] ?? hostname);
  const isShort = hostname?.includes(`.${namespace}.svc.`) === true;
  return name ? `${isShort ? `${name}.${namespace}` : name}${port === undefined ? '' : `:${port}`}` : '';
}

function denialOf({ policy, receipt }: TapEntry): string {
  return ['denied', policy?.because && `by ${policy.because}`, receipt && `receipt ${receipt}`]
    .filter(Boolean)
    .join(' ');
}
