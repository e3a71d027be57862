/** Brings the rules of one pod's namespace to what a plan says, and takes them away. Doing either twice is harmless. */
import { readFileSync } from 'node:fs';
import type { NetnsRef } from '../../core/net/index.ts';
import { MeshError } from '../../mesh/index.ts';
import { planRemoval, ROUTING_MARKS, type RoutingStep, type RulePlan, TABLES } from './plan.ts';
import { loadNft, runTool } from './tools.ts';

/** What of ours stands in a namespace; all empty when it is clean. */
export type RulesFound = {
  /** Rule count by `table/chain`. */
  readonly chains: ReadonlyMap<string, number>;
  /** Families that have the policy rule, and the route. */
  readonly rules: readonly (4 | 6)[];
  readonly routes: readonly (4 | 6)[];
};

/**
 * Makes the namespace follow the plan, whatever of ours was there before. Routes come first, so that there is a way back
 * for the first packet that is captured.
 * @throws MeshError NFT_FAILED, ROUTING_FAILED, TOOL_MISSING; the pod is not captured then.
 */
export async function applyRules(netns: NetnsRef, plan: RulePlan): Promise<void> {
  const loHasIpv6 = !isIpv6Disabled(netns);
  for (const step of plan.routing) {
    if (step.family === 6 && !loHasIpv6) continue; // such a pod has no IPv6 to come back
    await addRoute(netns, step);
  }
  await loadNft(netns, plan.nft);
}

async function addRoute(netns: NetnsRef, step: RoutingStep): Promise<void> {
  const { code, stderr } = await runTool(netns, 'ip', step.args);
  // A rule is the same in all of its parts or it is another one, so one that exists is the one we want.
  if (code === 0 || /File exists/.test(stderr)) return;
  throw new MeshError('ROUTING_FAILED', `ip ${step.args.join(' ')} (exit ${code}): ${stderr}`);
}

/**
 * Takes everything of ours out of the namespace, and looks afterwards whether it is gone.
 * @throws MeshError RULES_LEFT naming what is still there.
 */
export async function removeRules(netns: NetnsRef): Promise<void> {
  const { nft, routing } = planRemoval();
  await loadNft(netns, nft);
  const complaints: string[] = [];
  for (const { args } of routing) {
    const { code, stderr } = await runTool(netns, 'ip', args);
    if (code !== 0) complaints.push(stderr); // usually: there was none; the look below decides
  }
  const left = describeFound(await findRules(netns));
  if (left !== '') throw new MeshError('RULES_LEFT', `still there: ${left}: ${complaints.join('; ')}`);
}

/** How the namespace differs from the plan; empty when it follows it. */
export async function verifyRules(netns: NetnsRef, plan: RulePlan): Promise<readonly string[]> {
  const found = await findRules(netns);
  const problems: string[] = [];
  const wanted = new Map<string, number>();
  for (const [table, chains] of plan.chains) {
    for (const [chain, count] of chains) wanted.set(`${table}/${chain}`, count);
  }
  for (const [chain, count] of wanted) {
    const actual = found.chains.get(chain);
    if (actual === undefined) problems.push(`chain ${chain} is missing`);
    else if (actual !== count) problems.push(`chain ${chain} has ${actual} rules instead of ${count}`);
  }
  for (const chain of found.chains.keys()) if (!wanted.has(chain)) problems.push(`chain ${chain} is not ours to have`);
  const families = new Set(plan.routing.map((step) => step.family));
  for (const family of families) {
    if (family === 6 && isIpv6Disabled(netns)) continue;
    if (!found.rules.includes(family)) problems.push(`the policy rule of IPv${family} is missing`);
    if (!found.routes.includes(family)) problems.push(`the policy route of IPv${family} is missing`);
  }
  return problems;
}

/** What of ours stands in the namespace. */
export async function findRules(netns: NetnsRef): Promise<RulesFound> {
  const listing = await runTool(netns, 'nft', ['-s', 'list', 'ruleset', 'inet']);
  if (listing.code !== 0) throw new MeshError('NFT_FAILED', `nft can't list the rules: ${listing.stderr}`);
  const rules: (4 | 6)[] = [];
  const routes: (4 | 6)[] = [];
  for (const family of [4, 6] as const) {
    const ruleList = await runTool(netns, 'ip', [`-${family}`, 'rule', 'show']);
    if (ruleList.code !== 0) throw new MeshError('ROUTING_FAILED', `ip can't list rules: ${ruleList.stderr}`);
    if (ruleList.stdout.includes(ROUTING_MARKS.rule)) rules.push(family);
    // An empty table is an error to `ip`, and just means no.
    const routeList = await runTool(netns, 'ip', [`-${family}`, 'route', 'show', 'table', ROUTING_MARKS.table]);
    if (routeList.code === 0 && /^local default dev lo/m.test(routeList.stdout)) routes.push(family);
  }
  return { chains: parseChains(listing.stdout), rules, routes };
}

/** Whether nothing of ours stands there. */
export function isClean(found: RulesFound): boolean {
  return describeFound(found) === '';
}

export function describeFound(found: RulesFound): string {
  return [
    ...[...found.chains.keys()].map((chain) => `nft ${chain}`),
    ...found.rules.map((family) => `IPv${family} rule`),
    ...found.routes.map((family) => `IPv${family} route`),
  ].join(', ');
}

/** Chains of our tables and how many rules each holds, out of `nft list ruleset`. A table without chains counts as one. */
function parseChains(listing: string): ReadonlyMap<string, number> {
  const chains = new Map<string, number>();
  let table: string | undefined;
  let chain: string | undefined;
  for (const line of listing.split('\n').map((text) => text.trim())) {
    const opened = /^(table inet|chain|set) (\S+) \{/.exec(line);
    if (opened?.[1] === 'table inet') {
      table = TABLES.find((name) => name === opened[2]);
      if (table !== undefined) chains.set(`${table}/`, 0);
    } else if (opened && table !== undefined) {
      chains.delete(`${table}/`);
      chain = `${table}/${opened[2]}`;
      chains.set(chain, 0);
    } else if (line === '}') {
      if (chain === undefined) table = undefined;
      chain = undefined;
    } else if (chain !== undefined && line !== '' && !line.startsWith('type ')) {
      chains.set(chain, (chains.get(chain) ?? 0) + 1);
    }
  }
  return chains;
}

function isIpv6Disabled(netns: NetnsRef): boolean {
  return netns.run(() => {
    try {
      // thread-self: the namespace is this thread's, and /proc/self would show the process's
      return readFileSync('/proc/thread-self/net/if_inet6', 'utf8').trim() === '';
    } catch {
      return true; // the kernel has no IPv6 at all
    }
  });
}
