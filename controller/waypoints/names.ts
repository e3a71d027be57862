/** What the objects of waypoints are called and marked by (controller.md sections 2 and 4). */

export const GATEWAY_GROUP = 'gateway.networking.k8s.io';
export const WAYPOINT_CLASS = 'istio-waypoint';
/** Runs the gateways of the class, as the class says. */
export const MESH_CONTROLLER = 'istio.io/mesh-controller';
/** As which we write objects and status. */
export const FIELD_MANAGER = 'istio.io/gateway-controller';

export const GATEWAY_NAME = `${GATEWAY_GROUP}/gateway-name`;
export const CLASS_NAME = `${GATEWAY_GROUP}/gateway-class-name`;
/** Only what carries it is touched. */
export const MANAGED = 'gateway.istio.io/managed';
export const MANAGED_BY = 'istio.io-mesh-controller';

export const NAME_OVERRIDE = 'gateway.istio.io/name-override';
export const ACCOUNT_OVERRIDE = 'gateway.istio.io/service-account';
export const CONTROLLER_VERSION = 'gateway.istio.io/controller-version';
export const SERVICE_TYPE = 'networking.istio.io/service-type';
export const ADDRESS_TYPE = 'networking.istio.io/address-type';
export const PROXY_IMAGE = 'sidecar.istio.io/proxyImage';
export const LOG_LEVEL = 'sidecar.istio.io/logLevel';
export const NETWORK = 'topology.istio.io/network';
export const REVISION = 'istio.io/rev';

export const HBONE = 'HBONE';
export const HBONE_PORT = 15_008;
export const STATUS_PORT = 15_021;
export const METRICS_PORT = 15_020;
