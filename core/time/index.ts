/** Time as an input. */
export { type Clock, systemClock } from './clock.ts';
export { FakeClock, settle } from './fake-clock.ts';
