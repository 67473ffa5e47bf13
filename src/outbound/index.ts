// The one way out: every connection to an address that somebody gave us (webhooks, platforms, pulls, downloads) is made here, and
// nowhere else (S30). It checks the form of the URL, its scheme and port, and every address of its host, and then connects to a
// checked address. Called by the rooms of band 3, which get it from `app.ts`; keeps idle HTTP connections for a few seconds, and
// `close()` ends them.

export type { OwnListener } from './address-rules.ts';
export type { OutboundKind } from './destination.ts';
export type { Connect, Dial } from './dial.ts';
export type { HttpAnswer, HttpStream } from './http-agent.ts';
export {
  createOutbound,
  type Destination,
  type Outbound,
  type OutboundOptions,
  type RequestOptions,
  type StreamOptions,
  UNREACHABLE,
} from './outbound.ts';
export type { Resolve } from './resolve.ts';
