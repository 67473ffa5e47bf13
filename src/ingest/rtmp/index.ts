// Accepts publishers and players over RTMP and RTMPS: sockets, deadlines and limits here, the protocol itself in formats/rtmp.
// Called by app; calls live (claims a live stream, writes packets), through the PublishAuthoriser port whoever knows the keys, and
// through the Players port whoever serves players (egress). Listens from start() to close(); a connection lives from its accept to
// its close, each with one logged reason.
export type { PlayerConnection, PlayerEnd, Players, PlayRequest } from './players.ts';
export { RtmpServer, type RtmpServerOptions } from './server.ts';
