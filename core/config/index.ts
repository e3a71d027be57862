/** Configuration: environment variables, durations, the request to stop. */
export { parseDuration } from './duration.ts';
export {
  configError,
  deepFreeze,
  type Env,
  envBoolean,
  envDuration,
  envInteger,
  envList,
  envOptionalText,
  envSome,
  envText,
  parseEnv,
  secret,
} from './env.ts';
export { onShutdown, type Shutdown } from './shutdown.ts';
export { ownVersion } from './version.ts';
