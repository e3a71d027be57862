/** The command line of the bench. */
import { parseArgs } from 'node:util';

export type Options = {
  readonly suites: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly json?: string;
  readonly svg: string;
  readonly ztunnel?: string;
  readonly hbone?: 'plane' | 'http2';
  readonly only?: readonly string[];
  /** Peers that know no pods stand behind redirection, too. */
  readonly captured: boolean;
};

const DEFAULT_SVG = 'dist/bench.svg';

export const helpText = (suites: Readonly<Record<string, string>>) => `npm run bench -- [OPTION…] [SUITE…]

Measures Ambit beside the proxies that it finds on this machine, in turns, and prints medians with ratios.
Needs root (it makes network namespaces, and removes them) and cc (for the load programs); l7 needs h2load instead.

Suites (all when none is named):
${Object.entries(suites)
  .map(([name, what]) => `  ${name.padEnd(12)} ${what}`)
  .join('\n')}

Options:
  --rounds N            turns of each peer (3); the table shows medians over them
  --seconds S           length of one measurement (2)
  --quick               one round of half a second: does it run at all
  --only NAME,…         these peers only: none, ambit, haproxy, nginx, envoy, ztunnel
  --captured            redirect to haproxy, nginx and envoy as pods are redirected: else only Ambit pays for that
  --hbone plane|http2   which implementation carries Ambit's tunnels (its own default)
  --ztunnel PATH        also a ztunnel of the reference, fed by the same control plane
  --json FILE           rows and machine as JSON
  --svg FILE            a chart (${DEFAULT_SVG})

Peers are used where they are found: haproxy, nginx and envoy on the PATH, or Envoy where AMBIT_BENCH_ENVOY says.
CPU per unit says more than time on a machine that others use too. "ratio" is Ambit over the best of HAProxy, Envoy and
the ztunnel; "spread" is half the range of the rounds over their median, of the peer where it is worst.

Examples:
  npm run bench -- hbone connect latency
  npm run bench -- latency --only none,ambit --rounds 5 --json latency.json
`;

/** Undefined asks for the help. Throws on what it does not understand. */
export function parseOptions(args: readonly string[], known: readonly string[]): Options | undefined {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: text,
      seconds: text,
      quick: flag,
      only: text,
      captured: flag,
      hbone: text,
      ztunnel: text,
      json: text,
      svg: text,
      help: flag,
    },
  });
  if (values.help === true) return undefined;
  const unknown = positionals.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`no suite ${unknown.join(', ')}; there are: ${known.join(', ')}`);
  const { hbone } = values;
  if (hbone !== undefined && hbone !== 'plane' && hbone !== 'http2') throw new Error('--hbone is plane or http2');
  const quick = values.quick === true;
  return {
    suites: positionals.length > 0 ? positionals : known,
    rounds: numberOf('rounds', values.rounds, quick ? 1 : 3, 1, 100, true),
    seconds: numberOf('seconds', values.seconds, quick ? 0.5 : 2, 0.1, 60),
    svg: values.svg ?? DEFAULT_SVG,
    captured: values.captured === true,
    ...(values.json === undefined ? {} : { json: values.json }),
    ...(values.ztunnel === undefined ? {} : { ztunnel: values.ztunnel }),
    ...(hbone === undefined ? {} : { hbone }),
    ...(values.only === undefined ? {} : { only: values.only.split(',') }),
  };
}

function numberOf(name: string, text: string | undefined, otherwise: number, min: number, max: number, whole = false) {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!(value >= min && value <= max) || (whole && !Number.isInteger(value))) {
    throw new Error(`--${name} is ${whole ? 'a whole number' : 'a number'} from ${min} to ${max}, not ${text}`);
  }
  return value;
}
