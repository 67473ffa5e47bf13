// Accepts publishers over RTMP and RTMPS: sockets, deadlines and limits here, the protocol itself in formats/rtmp.
// Called by app; calls live (claims a live stream, writes packets) and, through the PublishAuthoriser port, whoever knows
// the keys. Listens from start() to close(); a connection lives from its accept to its close, each with one logged reason.
export { RtmpServer, type RtmpServerOptions } from './server.ts';
