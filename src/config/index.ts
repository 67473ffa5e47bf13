// Configuration: defaults < file < environment < flags, read and validated once, at start, by `cli`. Every room takes the
// frozen `Config`, or the few values of it that it needs. Reads the file and nothing else, and holds nothing open.
export { describeConfig } from './describe.ts';
export type { Config, LogLevel } from './keys.ts';
export { type ConfigSources, loadConfig } from './load.ts';
