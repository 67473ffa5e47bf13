// Accepts browsers that publish over a WebSocket: connections, deadlines and limits, the wire format of frame.ts into packets.
// Called by app, which hands over the upgrades of HTTP connections for `/publish`; calls live (claims a live stream, writes packets)
// and through the PublishAuthoriser port whoever knows the keys. A connection lives from its upgrade to its close, with one logged
// reason; all of them to close().
export { BrowserPublishers, type BrowserPublishersOptions } from './server.ts';
