// What every room may use: coded errors, the clock, ids and secrets, the logger. No sockets, files, timers or SQL.
export { monotonicMs } from './clock.ts';
export { CodedError, type ErrorCode } from './errors.ts';
export { newId, randomHex, secretsEqual, sha256 } from './ids.ts';
export { createLogger, forLog, type Logger } from './logger.ts';
export { SecretBox } from './secret-box.ts';
