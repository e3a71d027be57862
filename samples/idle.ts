/** A pod that does nothing, so that calls can be made from it: `kubectl exec … -- call URL`. */
const keepAlive = setInterval(() => undefined, 1 << 30);
process.once('SIGTERM', () => clearInterval(keepAlive));
console.log('idle: waiting for calls by kubectl exec');
