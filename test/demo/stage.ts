import type { Result } from '../support/shell.ts';
import type { Place, World } from '../support/world.ts';
import type { Script } from './script.ts';

/** What is done in front of the audience: the command as a person would type it, then what it says. */
export class Stage {
  readonly #world: World;
  readonly #script: Script;

  constructor(world: World, script: Script) {
    this.#world = world;
    this.#script = script;
  }

  async kubectl(args: readonly string[]): Promise<string> {
    this.#script.command(`kubectl ${args.map(quoted).join(' ')}`);
    const output = await this.#world.kubectl(args);
    this.#script.evidence(output);
    return output;
  }

  async apply(yaml: string): Promise<void> {
    this.#script.command("kubectl apply -f - <<'EOF'");
    this.#script.evidence(yaml);
    this.#script.evidence(await this.#world.apply(yaml));
  }

  /** What it answers; what it says on the way is left out. */
  async ambit(args: readonly string[]): Promise<string> {
    this.#script.command(`ambit ${args.join(' ')}`);
    const output = await this.#world.ambit(args);
    this.#script.evidence(output);
    return output;
  }

  /** `shown` is what a person would type, where that is something else than what the program is given. */
  async call(from: Place, args: readonly string[], shown: string = args.map(quoted).join(' ')): Promise<Result> {
    this.#script.command(`kubectl exec -n ${from.namespace} deploy/${from.app} -- call ${shown}`);
    const result = await this.#world.call(from, args);
    this.#script.evidence(`${result.stdout}${result.stderr}`.trim());
    return result;
  }
}

const quoted = (arg: string): string => (/\s/.test(arg) ? `'${arg}'` : arg);
