import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { addWaypointApply, addWaypointGenerate } from '../waypoint/apply-command.ts';
import { addWaypointDelete } from '../waypoint/delete-command.ts';
import { addWaypointList, addWaypointStatus } from '../waypoint/list-command.ts';

const HELP = `
A waypoint is a Gateway of class istio-waypoint. Who uses it says so by a label:
  istio.io/use-waypoint: NAME              on a Namespace, Service, Pod, ServiceEntry or WorkloadEntry ("none" opts out)
  istio.io/use-waypoint-namespace: NAME    where it is in another namespace, whose Gateway must admit that (allowedRoutes)

Examples:
  ambit waypoint apply -n shop --enroll-namespace --wait      a waypoint, and all services of shop use it
  ambit waypoint list -A
  ambit waypoint status -n shop
  ambit waypoint generate --for workload > waypoint.yaml      for a repository
  ambit waypoint delete waypoint -n shop`;

export function addWaypoint(program: Command, context: CliContext): void {
  const group = program
    .command('waypoint')
    .summary('HTTP-aware proxies for a namespace, a service or a workload')
    .description(
      'Makes, shows and removes waypoints: proxies that carry L7 policies and routes for whoever asks for them by a label.',
    )
    .addHelpText('after', HELP);
  for (const add of [addWaypointApply, addWaypointGenerate, addWaypointList, addWaypointStatus, addWaypointDelete]) {
    add(group, context);
  }
}
