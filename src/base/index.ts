// What every room may use: coded errors, the clock, ids and secrets, the logger, failed keys counted by address. No sockets, files, timers or SQL.
export { ClientAddress, clientAddress } from './client-address.ts';
export { monotonicMs } from './clock.ts';
export { CodedError, type ErrorCode } from './errors.ts';
export { FailureLimiter } from './failure-limiter.ts';
export { newId, randomHex, secretsEqual, sha256, sha256Hex } from './ids.ts';
export { isoTime, isoTimeOrNull } from './iso-time.ts';
export { createLogger, forLog, type Logger } from './logger.ts';
export { SecretBox } from './secret-box.ts';
