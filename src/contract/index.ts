// The words of the HTTP API: schemas of resources, bodies and errors, from which the types, the validation and the answers'
// filters derive. Called by `api` (routes), `client` (types), `store` and `config` (types, validation). Calls nothing and
// keeps nothing.
export { ErrorAnswer, Success } from './answers.ts';
export {
  type Environment,
  LiveStream,
  LiveStreamChange,
  LiveStreamList,
  mergeSettings,
  PageQuery,
  Settings,
} from './live-stream.ts';
export { type Reading, readAs } from './read.ts';
