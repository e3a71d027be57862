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
    this.#script.command(`kubectl ${args.join(' ')}`);
    const output = await this.#world.kubectl(args);
    this.#script.evidence(output);
    return output;
  }

  async apply(yaml: string): Promise<void> {
    this.#script.command("kubectl apply -f - <<'EOF'");
    this.#script.evidence(yaml);
    this.#script.evidence(await this.#world.apply(yaml));
  }

  async call(from: Place, args: readonly string[]): Promise<Result> {
    this.#script.command(`kubectl exec -n ${from.namespace} deploy/${from.app} -- call ${args.join(' ')}`);
    const result = await this.#world.call(from, args);
    this.#script.evidence(`${result.stdout}${result.stderr}`.trim());
    return result;
  }
}
