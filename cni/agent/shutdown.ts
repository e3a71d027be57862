/**
 * Whether the agent takes everything off the host when it stops. After an upgrade or a reboot it comes back, and a pod that
 * starts in between must find the plugin in place; after an uninstallation it never does.
 */
import { KubeError } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';

export type ShutdownDecision = { readonly cleanUp: boolean; readonly because: string };

export type ShutdownSurroundings = {
  readonly disableSafeUpgrade: boolean;
  /** With a file of its own that makes pods wait, the agent errs on the other side. */
  readonly ownedConfig: boolean;
  /** The agent's DaemonSet; undefined when there is none. */
  readonly daemonSet: () => Promise<KubeObject | undefined>;
  readonly nodeLabels: () => Promise<Readonly<Record<string, string>>>;
  readonly sleep: (ms: number) => Promise<void>;
};

const yes = (because: string): ShutdownDecision => ({ cleanUp: true, because });
const no = (because: string): ShutdownDecision => ({ cleanUp: false, because });

export async function decideShutdown(o: ShutdownSurroundings): Promise<ShutdownDecision> {
  if (o.disableSafeUpgrade) return yes('safe upgrade is disabled');
  const tries = o.ownedConfig ? 3 : 1;
  for (let attempt = 1; ; attempt++) {
    try {
      return await look(o);
    } catch (error) {
      // Its account or its rights were deleted, as an uninstallation does in any order.
      if (error instanceof KubeError && (error.code === 401 || error.code === 403)) {
        return yes('the agent has lost its account or its rights');
      }
      if (attempt >= tries) {
        const because = `the API server did not say: ${error instanceof Error ? error.message : String(error)}`;
        // Eligible pods fail closed while the plugin is there; taking it away on a guess would start them outside the mesh.
        return no(because);
      }
      await o.sleep(1_000);
    }
  }
}

async function look(o: ShutdownSurroundings): Promise<ShutdownDecision> {
  const daemonSet = await o.daemonSet();
  if (daemonSet === undefined) return yes('the DaemonSet is gone');
  if (daemonSet.metadata.deletionTimestamp !== undefined) return yes('the DaemonSet is being deleted');
  if (!matchesNode(daemonSet, await o.nodeLabels())) return yes("the node is no longer the DaemonSet's");
  return no('the DaemonSet stays: an upgrade or a reboot');
}

type Expression = { readonly key?: unknown; readonly operator?: unknown; readonly values?: unknown };
type Fields = Readonly<Record<string, unknown>>;
const fields = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The required node affinity of the template, by labels: terms are alternatives, the expressions of one all hold. */
function matchesNode(daemonSet: KubeObject, labels: Readonly<Record<string, string>>): boolean {
  const template = fields(fields(fields(daemonSet['spec'])['template'])['spec']);
  const affinity = fields(fields(template['affinity'])['nodeAffinity']);
  const required = affinity['requiredDuringSchedulingIgnoredDuringExecution'];
  if (required === undefined) return true;
  const terms = list(fields(required)['nodeSelectorTerms']);
  return terms.some((term) => list(fields(term)['matchExpressions']).every((e) => holds(fields(e), labels)));
}

function holds({ key, operator, values }: Expression, labels: Readonly<Record<string, string>>): boolean {
  const label = labels[String(key)];
  const listed = label !== undefined && list(values).includes(label);
  if (operator === 'In') return listed;
  if (operator === 'NotIn') return !listed;
  if (operator === 'Exists') return label !== undefined;
  if (operator === 'DoesNotExist') return label === undefined;
  const bound = Number(list(values)[0]);
  if (operator === 'Gt') return Number(label) > bound;
  if (operator === 'Lt') return Number(label) < bound;
  return true; // an operator of the future: rather stay than take the plugin away
}
